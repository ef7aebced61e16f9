"""The Health screen: workers, partitions, detection quality, drift, and dead letters."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.binding import BindingType
from textual.widget import Widget

from domain.comparison import USUAL_CUTS, Comparison
from domain.engine import DeadLetter, Snapshot
from domain.quality import DetectorQuality
from domain.timeline import TimelineEvent
from services.errors import reason_of
from tui import cells, keymap
from tui.console import console_of, keys_of
from tui.frontend import frontend_of
from tui.lag import SMALL
from tui.panes.health import (
    component_lines,
    dead_letter_lines,
    event_line,
    last_known,
    pipeline_line,
    worker_line,
    worst,
)
from tui.panes.lag import outlook_mark, outlook_words, partition_table
from tui.panes.quality import DRIFTED, comparison_lines, drift_lines, quality_lines
from tui.screens.base import ConsoleScreen
from tui.screens.inquiry import Inquiry
from tui.themes import Palette
from tui.widgets.drawing import line, palette_of, rule
from tui.widgets.reading import Reading, ReadingScreen

_DEAD_LETTERS = 200
_EVENTS = 100
_EVENTS_SHOWN = 8
_EVENTS_OF = timedelta(hours=1)
_EVENTS_EVERY = 5.0
"""Seconds between two looks at the timeline."""


class _Stored(NamedTuple):
    qualities: tuple[DetectorQuality, ...]
    comparisons: tuple[Comparison, ...]


class HealthScreen(ReadingScreen, ConsoleScreen):
    """Everything about the state of the engine, as one text."""

    NAME = "Health"
    HINTS = keymap.HEALTH_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.READING, *keymap.HEALTH]

    def __init__(self) -> None:
        super().__init__()
        self._letters: tuple[DeadLetter, ...] = ()
        self._letters_at = 0
        self._problem = ""
        self._stored_asked = False
        self._leads_to_stored = False
        self._stored: Inquiry[None, _Stored] = Inquiry(self, "quality", self._ask_quality, 0.0)

        self._events: Inquiry[None, tuple[TimelineEvent, ...]] = Inquiry(
            self, "changes", self._ask_events, _EVENTS_EVERY
        )

    def body(self) -> Iterable[Widget]:
        """All sections as one text."""
        yield Reading(id="health-text")

    def draw_body(self, now: datetime) -> None:
        """Draw every section. Dead letters are read when their number changes."""
        snapshot, palette = self.intake.snapshot, palette_of(self)
        reading = self.query_one(Reading)
        width = reading.size.width
        if snapshot.dead_letters != self._letters_at:
            self._letters_at = snapshot.dead_letters
            self.run_worker(self._load_letters(), group="dead-letters", exclusive=True)
        above = [
            *self._engine(snapshot, now, width, palette),
            *self._workers(snapshot, now, width, palette),
            *self._changes(width, palette),
            *self._partitions(snapshot, width, palette),
            *self._quality(snapshot, width, palette),
        ]
        below = [*self._drift(snapshot, width, palette), *self._dead_letters(snapshot, width, palette)]
        reading.show([*above, *self._stored_quality(width, palette), *below])
        if self._leads_to_stored:
            reading.begin_with(len(above))
            self._leads_to_stored = self._stored.answer is None and not self._stored.problem

    def _engine(self, snapshot: Snapshot, now: datetime, width: int, palette: Palette) -> list[Text]:
        lost = bool(self.intake.trouble)
        said = last_known(snapshot) if lost else f"up {cells.duration(now - snapshot.started_at)}"
        lines = [line(*rule("Engine", said, width, palette, alarm=lost), width=width)]
        lines += component_lines(snapshot, width, palette)
        if frontend_of(snapshot) is None:
            lines.append(line((" frontend not started", palette.dim), width=width))
        return lines

    def _workers(self, snapshot: Snapshot, now: datetime, width: int, palette: Palette) -> list[Text]:
        ((key, does),) = keys_of(self).hints((("W", "starts and stops"),), keymap.APP)
        lost = bool(self.intake.trouble)
        title = rule("Workers", f"{key} {does}", width, palette, alarm=lost or worst(snapshot) is not None)
        lines = [line(*title, width=width)]
        for worker in snapshot.workers:
            lines.append(worker_line(worker, now, width, palette, lost=lost))
            if lost:
                continue
            if worker.name == "pipeline" and worker.state in ("running", "degraded"):
                lines.append(pipeline_line(snapshot, width, palette))
            if worker.last_error not in (None, worker.detail):
                lines.append(line((f"   last error: {worker.last_error}", palette.warn), width=width))
        return lines

    def _changes(self, width: int, palette: Palette) -> list[Text]:
        """What changed in the last hour; empty where nothing has."""
        self._events.want(None)
        events = self._events.answer or ()
        if not events and not self._events.problem:
            return []
        count = f"{len(events)}{'+' if len(events) == _EVENTS else ''} in the last hour"
        lines = [line(*rule("Changes", count if events else "", width, palette), width=width)]
        if self._events.problem:
            return [*lines, line((f" {self._events.problem}", palette.bad), width=width)]
        lines += [event_line(event, width, palette) for event in events[:_EVENTS_SHOWN]]
        if len(events) > _EVENTS_SHOWN:
            lines.append(line((" anomaly-tui events --since 1h lists them all", palette.dim), width=width))
        return lines

    async def _ask_events(self, key: None) -> tuple[TimelineEvent, ...]:
        return await console_of(self).port.events(console_of(self).clock() - _EVENTS_OF, _EVENTS)

    def _partitions(self, snapshot: Snapshot, width: int, palette: Palette) -> list[Text]:
        if not snapshot.partitions:
            title = rule("Partitions", "nobody reads them here", width, palette)
            return [line(*title, width=width), line((" the pipeline has none", palette.dim), width=width)]
        trend, lag = self.intake.lag, max(0, snapshot.lag)
        outlook = trend.outlook()
        said = f"lag {cells.grouped(lag)} {outlook_mark(outlook)}  {outlook_words(outlook, lag)}"
        behind = lag > SMALL and outlook.seconds is None
        lines = [line(*rule("Partitions", said, width, palette, alarm=behind), width=width)]
        if any(trend.total):
            moved = cells.strip(trend.total, width - 12)
            lines.append(line((" lag      ", palette.dim), (moved, palette.bar), width=width))
        return lines + partition_table(snapshot.partitions, trend, width, palette)

    def _quality(self, snapshot: Snapshot, width: int, palette: Palette) -> list[Text]:
        """The quality since the start; empty without ground truth."""
        if not snapshot.quality and not self._stored_asked:
            return []
        lines = [line(*rule("Quality", "since the start", width, palette), width=width)]
        lines += quality_lines(snapshot.quality, width, palette)
        if self._stored_asked:
            return lines
        ((key, does),) = keys_of(self).hints((("h", "counts all that is stored"),), keymap.HEALTH)
        return [*lines, line((f" {key} {does}", palette.dim), width=width)]

    def _stored_quality(self, width: int, palette: Palette) -> list[Text]:
        """The quality over all stored transactions, and what other thresholds would have flagged, once asked for."""
        if not self._stored_asked:
            return []
        answer = self._stored.answer
        said = self._stored.problem or ("counting..." if answer is None else "all that is stored")
        lines = [line(*rule("Quality", said, width, palette), width=width)]
        if answer is None:
            return lines
        lines += quality_lines(answer.qualities, width, palette)
        lines.append(line(*rule("Thresholds", "what others would have flagged", width, palette), width=width))
        return lines + comparison_lines(answer.comparisons, width, palette)

    def _drift(self, snapshot: Snapshot, width: int, palette: Palette) -> list[Text]:
        if not snapshot.drift:
            return []
        alarm = any(feature.psi > DRIFTED for feature in snapshot.drift)
        title = rule("Drift", "since the models were fitted", width, palette, alarm=alarm)
        return [line(*title, width=width), *drift_lines(snapshot.drift, width, palette)]

    def _dead_letters(self, snapshot: Snapshot, width: int, palette: Palette) -> list[Text]:
        count = cells.grouped(snapshot.dead_letters)
        lines = [line(*rule("Dead letters", count, width, palette, alarm=snapshot.dead_letters > 0), width=width)]
        if self._problem:
            lines.append(line((f" {self._problem}", palette.bad), width=width))
        elif not snapshot.dead_letters:
            lines.append(line((" none", palette.dim), width=width))
        return lines + dead_letter_lines(self._letters, width, palette)

    def action_quality(self) -> None:
        """Measure the quality over all stored transactions, compare thresholds, and scroll there."""
        self._stored_asked = self._leads_to_stored = True
        self._stored.forget()
        self._stored.want(None)
        self.redraw()

    async def _ask_quality(self, key: None) -> _Stored:
        port = console_of(self).port
        return _Stored(await port.quality(None), await port.compare_thresholds(None, USUAL_CUTS))

    async def _load_letters(self) -> None:
        try:
            self._letters = await console_of(self).port.dead_letters(_DEAD_LETTERS)
            self._problem = ""
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._problem = f"dead letters unavailable: {reason_of(error)}"
        self.redraw()
