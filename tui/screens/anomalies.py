"""The Anomalies screen: every flagged transaction, live or stored, for triage."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget

from domain.filters import EVERYTHING, Filter, of_triage, parse
from domain.triage import TriageStatus
from domain.verdict import ScoredTransaction
from services.errors import reason_of
from tui import keymap
from tui.console import console_of
from tui.lists.anomalies import TriageList
from tui.lists.filterline import FilterLine
from tui.lists.older import PAGE, Older
from tui.lists.rowlist import RowList
from tui.panes.progress import progress_line
from tui.panes.why import WhyPane, why_lines
from tui.screens.browsing import Browsing
from tui.screens.detail import Detail
from tui.screens.explaining import Explaining
from tui.screens.layout import lay_out
from tui.screens.triaging import BulkTriaging
from tui.themes import Palette
from tui.widgets.drawing import Line, line, palette_of
from tui.widgets.timing import seconds

_PAGES_AT_ONCE = 10
_RANKED_AT_ONCE = 2_000
"""Alerts that are read before the user asks for more, since the worst one may be an old one."""
_COMPARE_EVERY = 1.0
"""Seconds between two comparisons of what is listed with what the engine counts."""
_AGAIN_AFTER, _AGAIN_AT_MOST = 5.0, 300.0
"""Seconds before stored anomalies are read again; twice as many each time that finds nothing."""
_FLAGGED = parse("is:flagged")


class AnomaliesScreen(BulkTriaging, Browsing):
    """A list to work through. A decided row keeps its place, with its new status, until a filter is applied.

    At the top of the list, older anomalies are read from the database.
    """

    NAME = "Anomalies"
    HINTS = keymap.ANOMALIES_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.ANOMALIES]

    def __init__(self) -> None:
        super().__init__()
        self._only_open = True
        self._filter: Filter = EVERYTHING
        self._older = Older(EVERYTHING)
        self._compared_at = self._again_at = -math.inf
        self._again_after = _AGAIN_AFTER
        self._short = False
        self._problem = ""
        self._explaining = Explaining(self)

    def body(self) -> Iterable[Widget]:
        """Progress, the list, and the reasons beside it or below it."""
        yield Line(id="progress")
        yield Container(TriageList(self.intake.triage_queue, id="triage"), WhyPane(id="why"), id="anomalies-body")
        yield FilterLine(console_of(self).stream_clock, id="filter")

    def on_mount(self) -> None:
        """Start with the open anomalies. Another engine starts the list again."""
        self.active.focus()
        self.apply_filter(self.active, "", EVERYTHING)
        console_of(self).settle()
        self.watch(self.app, "engines", self._apply_again, init=False)

    def _apply_again(self) -> None:
        self.apply_filter(self.active, self.active.window.filter_text, self._filter)

    @property
    def active(self) -> TriageList:
        """The list."""
        return self.query_one(TriageList)

    @property
    def subject(self) -> ScoredTransaction | None:
        """The row under the cursor; the newest one while there is none."""
        return self.active.selected or self.active.newest

    @property
    def to_decide(self) -> ScoredTransaction | None:
        """The row under the cursor."""
        return self.active.selected

    @property
    def was_read(self) -> bool:
        """Whether the row has been under the cursor for long enough."""
        return self.active.was_read

    def hold(self) -> ScoredTransaction | None:
        """Put the cursor on the newest row while following, or on the row that has come under it."""
        rows = self.active
        if rows.selected is None or not rows.was_read:
            rows.put_if_new(rows.cursor_index)
        return rows.selected

    def together(self, row: ScoredTransaction) -> tuple[ScoredTransaction, ...]:
        """The alerts of the case, where the list shows cases."""
        return self.active.case(row)

    def decided(self, rows: Sequence[ScoredTransaction]) -> None:
        """Go on to the next open alert."""
        self.active.advance(rows)

    def undone(self, ids: Sequence[str]) -> None:
        """Go back to the alert that is open again."""
        if ids:
            self.active.go_to(ids[0])

    @property
    def to_match(self) -> Filter:
        """The filter that was typed."""
        return self._filter

    @property
    def shown_filter(self) -> str:
        """The filter for stored rows: the open anomalies, or all flagged ones."""
        return super().shown_filter if self.active.only_open else (_FLAGGED & self._filter).text

    def apply_filter(self, rows: RowList, text: str, filter: Filter) -> None:
        """Show the open anomalies that match, or all that match, and read the older ones again.

        A filter that is about triage itself says which.
        """
        self._filter = filter
        self.active.only_open = self._only_open and not filter.is_of_triage
        both = of_triage(filter, TriageStatus.OPEN, console_of(self).stream_clock()) if self._only_open else filter
        rows.window.drop_history()
        rows.window.apply(text, both)
        self._older, self._problem = Older(both), ""

    def draw_body(self, now: datetime) -> None:
        """Draw the list and the reasons, and read older rows if the list is at its top."""
        rows, why = self.active, self.query_one(WhyPane)
        self._read_again(rows)
        self._want_older(rows)
        rows.today = console_of(self).stream_clock()
        # What was not read yet may be worse than what was.
        where = "of these, older ones at the end" if rows.ranked else "older ones at the top"
        rows.history = self._problem or ("" if self._older.finished else where)
        rows.notice = self._notice()
        rows.refresh_rows()
        palette = palette_of(self)
        snapshot, pace = self.intake.snapshot, console_of(self).pace
        progress = progress_line(
            pace.done,
            snapshot.open_anomalies,
            pace.per_minute(now),
            self.size.width,
            palette,
            budget=(snapshot.budget_says, snapshot.budget.brief(snapshot.over_budget)),
        )
        self.query_one("#progress", Line).show(progress)
        if why.region:
            why.show(self._why_lines(why.size.width, palette))

    def _why_lines(self, width: int, palette: Palette) -> list[Text]:
        subject, rows = self.subject, self.active
        lines = why_lines(subject, width, palette, followed=rows.follow, truth=console_of(self).show_truth)
        alerts = 1 if subject is None else rows.alerts_of(subject)
        if alerts > 1:
            case = f" {alerts} alerts of this user within minutes: a key decides on all of them"
            lines.insert(2, line((case, palette.warn), width=width))
        if not rows.follow:
            lines += self._explaining.lines(subject, len(lines), width, self.query_one(WhyPane).size.height, palette)
        return lines

    def _notice(self) -> str:
        if self.intake.warming and not len(self.intake.triage_queue.buffer):
            return "warming up: detectors learn from the first 1,000 transactions"
        if not self._older.finished and not self._problem:
            return "looking through what is stored..."
        if self.intake.triage_queue.filter_text:
            return "no anomaly matches the filter"
        return "no open anomaly" if self.active.only_open else "no anomaly yet"

    def _read_again(self, rows: TriageList) -> None:
        """Read what is stored from the newest on where the engine counts more open anomalies than are listed.

        Another engine on the same database may have stored them, so that they never came through this one.
        """
        now, older = seconds(self), self._older
        comparable = rows.ranked and older.finished and not self._problem and self._filter is EVERYTHING
        if not comparable or rows.today is None or now - self._compared_at < _COMPARE_EVERY:
            return
        self._compared_at = now
        was_short, self._short = self._short, (self.intake.snapshot.open_anomalies or 0) > rows.open_at(rows.today)
        # What was committed a moment ago may be counted and not have come yet.
        if not (self._short and was_short) or now < self._again_at:
            return
        self._again_after = _AGAIN_AFTER if older.fresh else min(2 * self._again_after, _AGAIN_AT_MOST)
        self._again_at = now + self._again_after
        self._older = Older(older.filter, newest=True)

    def _want_older(self, rows: TriageList) -> None:
        busy = any(worker.group == "older" and not worker.is_finished for worker in self.workers)
        settled = rows.window.frozen or not rows.window.pending
        if rows.ranked:
            few = len(rows.window.buffer) < _RANKED_AT_ONCE
            wanted = few or rows.at_end
            rows.filling = few and not (self._problem or self._older.finished)
        else:
            # In a sorted list, older rows do not belong at the top.
            wanted = rows.order is None and rows.at_top
        if wanted and settled and not (busy or self._problem or self._older.finished):
            self.run_worker(self._load_older(self._older), group="older")

    async def _load_older(self, older: Older) -> None:
        window = self.intake.triage_queue
        try:
            for _ in range(_PAGES_AT_ONCE):
                known = self.intake.triage_sequence
                before = older.before(window.buffer)
                found = await console_of(self).port.stored_anomalies(older.filter, before, PAGE)
                self.intake.pull()
                if older is not self._older:
                    return
                if self.intake.triage_sequence != known:
                    continue  # a decision came meanwhile, so the page may be out of date
                fresh = older.page(found, window.buffer)
                window.prepend(fresh)
                if fresh or older.finished:
                    break
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._problem = f"no older ones: {reason_of(error)}"
        self.redraw()

    @on(TriageList.Ranked)
    def _ranked(self) -> None:
        self.redraw()

    @on(RowList.Moved)
    def _try_again(self) -> None:
        self._problem = ""

    def on_resize(self) -> None:
        """The size decides whether the reasons stand beside the list, below it, or not at all."""
        lay_out(self)
        super().on_resize()

    @on(RowList.Opened)
    def action_open(self) -> None:
        """Open the detail of the transaction under the cursor."""
        if self.subject is not None:
            self.app.push_screen(Detail(self.subject))

    def action_back(self) -> None:
        """The first of these that applies: end the zoom or the sorting, go back, remove the filter, start again."""
        if not (self.put_back() or console_of(self).climb() or self.clear_filter() or self.active.follow):
            self.active.begin()

    def put_back(self) -> bool:
        """End the zoom, or else the sorting by a column; the queue is not sorted by one."""
        return super().put_back() if self.has_class("-zoom") or not self.active.ranked else False

    def action_rank(self) -> None:
        """Switch between the worst first and the order of time."""
        rows = self.active
        if rows.ranked:
            rows.set_follow(True)
        else:
            rows.rank()
        self.redraw()

    def action_group(self) -> None:
        """Switch between cases and single alerts."""
        self.active.group(not self.active.grouped)
        self.redraw()

    def action_anomaly(self, step: int) -> None:
        """Go to the line above or below. While following, the first key goes to the newest line."""
        rows = self.active
        rows.move_to(rows.cursor_index + (0 if rows.follow else step))

    def action_toggle_open(self) -> None:
        """Switch between the open anomalies and all of them."""
        self._only_open = not self._only_open
        self.apply_filter(self.active, self.active.window.filter_text, self._filter)
        console_of(self).settle()
