"""The Health screen: workers, partitions, and every dead letter with its reason."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from services.console_port import DeadLetter
from tui import cells, keymap
from tui.health import (
    component_lines,
    dead_letter_lines,
    partition_table,
    worker_line,
    worst,
)
from tui.panes import line, palette_of, rule
from tui.reading import Reading, ReadingScreen
from tui.screens.base import ConsoleScreen

_DEAD_LETTERS = 200


class HealthScreen(ReadingScreen, ConsoleScreen):
    """The engine's components, in full."""

    NAME = "Health"
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.READING]

    def __init__(self) -> None:
        super().__init__()
        self._letters: tuple[DeadLetter, ...] = ()
        self._letters_at = 0
        self._problem = ""

    def body(self) -> Iterable[Widget]:
        """One text."""
        yield Reading(id="health-text")

    def draw_body(self, now: datetime) -> None:
        """Components, workers, partitions, dead letters."""
        snapshot, palette = self.intake.snapshot, palette_of(self)
        reading = self.query_one(Reading)
        width = reading.size.width
        if snapshot.dead_letters != self._letters_at:
            self._letters_at = snapshot.dead_letters
            self.run_worker(self._load_letters(), group="dead-letters", exclusive=True)
        up = cells.duration(now - snapshot.started_at)
        lines = [line(*rule("Engine", f"up {up}", width, palette), width=width)]
        lines += component_lines(snapshot, width, palette)
        timing = "  ".join(
            f"{name} {cells.latency(value)}"
            for name, value in (
                ("p50", snapshot.latency_p50),
                ("p95", snapshot.latency_p95),
                ("p99", snapshot.latency_p99),
            )
        )
        lines.append(line((" latency  ", palette.dim), f"{timing}  from the record's time to its commit", width=width))
        lines.append(line(*rule("Workers", "", width, palette, alarm=worst(snapshot) is not None), width=width))
        for worker in snapshot.workers:
            lines.append(worker_line(worker, now, width, palette))
            if worker.last_error:
                lines.append(line((f"   last error: {worker.last_error}", palette.warn), width=width))
        total = f"lag {cells.grouped(max(0, snapshot.lag))}"
        lines.append(line(*rule("Partitions", total, width, palette), width=width))
        lines += partition_table(snapshot.partitions, width, palette)
        count = cells.grouped(snapshot.dead_letters)
        lines.append(line(*rule("Dead letters", count, width, palette, alarm=snapshot.dead_letters > 0), width=width))
        if self._problem:
            lines.append(line((f" {self._problem}", palette.bad), width=width))
        elif not snapshot.dead_letters:
            lines.append(line((" none", palette.dim), width=width))
        lines += dead_letter_lines(self._letters, width, palette)
        reading.show(lines)

    async def _load_letters(self) -> None:
        try:
            self._letters = await self.console_app.port.dead_letters(_DEAD_LETTERS)
            self._problem = ""
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._problem = f"dead letters unavailable: {error or type(error).__name__}"
        self.redraw()
