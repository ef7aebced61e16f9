"""Lists of anomalies: the feed of the newest ones, and the list for triage."""

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime

from textual import work
from textual.message import Message

from domain.triage import is_open
from domain.verdict import ScoredTransaction
from tui import cells
from tui.lists import columns
from tui.lists.queue import Case, Queue
from tui.lists.rowlist import RowList
from tui.lists.window import Window
from tui.widgets.timing import seconds

RANK_EVERY = 1.0
"""Seconds between two orders of the queue, so that sorting takes little of a core."""


class AnomalyFeed(RowList):
    """Transactions that a detector flagged, newest last."""

    TITLE = "Anomalies"
    COLUMNS = columns.ANOMALIES
    HEADER = False

    def count(self) -> str:
        """How many anomalies there are, and how many of them match the filter."""
        total = f"{cells.grouped(len(self.window.buffer))} live"
        return f"{cells.grouped(len(self.window))} of {total}" if self.window.filter_text else total

    def motion(self) -> str:
        """The pending rows while it is frozen; the feed beside it says that both are."""
        if self.window.frozen and self.window.pending:
            return f"+{cells.grouped(self.window.pending)} pending"
        return "▼follow" if self.follow else ""


class TriageList(RowList):
    """Anomalies to decide on, with the decisions. `history` is a text about the older ones.

    While it is `ranked` it is a queue with the worst alert first, which takes in new alerts once a second: the cursor
    stays on its alert. Otherwise it is in the order of time, or sorted by a column. While it is `filling`, older alerts
    are being read: a cursor that nobody has moved stays on the worst one.
    """

    TITLE = "Anomalies"
    COLUMNS: tuple[columns.Column, ...] = columns.TRIAGE

    class Ranked(Message):
        """The queue is in a new order."""

    def __init__(self, window: Window, *, id: str) -> None:
        super().__init__(window, id=id)
        self.only_open = True
        self.history = ""
        self.ranked = True
        self.grouped = False
        self.filling = False
        self._begun = True
        self._decided: set[str] = set()
        """What was decided here: what is stored of it may not have come back yet."""
        self._ranked_of: tuple[object, ...] = ()
        self._ranked_at = -math.inf

    def count(self) -> str:
        """How many anomalies there are, and how many of them are shown."""
        window = self.window
        total = f"{cells.grouped(len(window.buffer))} listed"
        return f"{cells.grouped(len(window))} of {total}" if len(window) != len(window.buffer) else total

    def open_at(self, now: datetime) -> int:
        """How many of the anomalies held are open at that time of the stream's clock."""
        return sum(row.flagged and is_open(row.triage, now) for row in self.window.buffer)

    def motion(self) -> str:
        """How the list moves, and where the older anomalies are."""
        return "  ".join(filter(None, (super().motion(), self.history)))

    def order_status(self) -> str:
        """The order of the queue, and what a frozen one holds back."""
        if not self.ranked:
            return super().order_status()
        held = f"frozen +{cells.grouped(self.window.pending)} pending" if self.window.frozen else ""
        order = f"▼worst{f', {len(self.rows)} cases' if self.grouped else ''}"
        return "  ".join(filter(None, (order, held, self.history)))

    def case(self, row: ScoredTransaction) -> Case:
        """The alerts that a key decides on with this row: those of its case, as they are now, or the row alone."""
        if not isinstance(self.order, Queue):
            return (row,)
        return tuple(map(self.window.current, self.order.case(row)))

    def alerts_of(self, row: ScoredTransaction) -> int:
        """How many alerts a row stands for."""
        return len(self.order.case(row)) if isinstance(self.order, Queue) else 1

    def group(self, grouped: bool) -> None:
        """Show one row for each case, or one for each alert."""
        self.grouped = grouped
        self.COLUMNS = columns.CASES if grouped else columns.TRIAGE
        self._placed_for = -1
        self.rank()

    def rank(self) -> None:
        """Put the worst alert first, from now on."""
        self.ranked = True
        self._wanted_order = None
        self._ranked_at = -math.inf
        self.refresh_rows()

    def begin(self) -> None:
        """Show the list as it is at first: in its order, with the cursor on the first alert, or on the newest."""
        if self.ranked:
            self.order = self._cursor = None
            self.follow = self._begun = True
            self.rank()
        else:
            super().begin()

    def sort(self, column: str, descending: bool) -> None:
        """Sort by a column instead."""
        self.ranked = False
        super().sort(column, descending)

    def set_follow(self, follow: bool) -> None:
        """Follow the newest row, in the order of time."""
        if follow:
            self.ranked = False
        super().set_follow(follow)

    def refresh_rows(self) -> None:
        """Take new alerts into the queue if that is due, and redraw what has changed."""
        now = seconds(self)
        state = (self.window.version, self.grouped, isinstance(self.order, Queue))
        due = state != self._ranked_of and now - self._ranked_at >= RANK_EVERY and len(self.window)
        if self.ranked and due:
            self._ranked_of, self._ranked_at = (*state[:2], True), now
            self._rank()
        super().refresh_rows()

    @work(group="sort", exclusive=True)
    async def _rank(self) -> None:
        now, grouped = self.today, self.grouped
        if now is None:
            return
        queue = await asyncio.to_thread(Queue, self.window.rows.all(), now, grouped=grouped)
        if not self.ranked or grouped != self.grouped:
            return
        place = max(0, self.cursor_index) if self.order is not None else 0
        self.order = queue
        self._place_cursor(queue, place)
        self.post_message(self.Ranked())

    def _place_cursor(self, queue: Queue, place: int) -> None:
        """Keep the cursor on its transaction, or at `place` where that is gone; at first put it on the worst one."""
        cursor = None if self.follow else self._cursor
        if cursor is None or self._begun:
            self.put_if_new(0)
            self._begun = self.filling
            return
        found = queue.find(cursor)
        if found is None:
            if not self.filling:
                self.put(place)
        elif queue[found].transaction.transaction_id != cursor.transaction.transaction_id:
            self.put(found)
        else:
            self._cursor = queue[found]

    def move_to(self, index: int, *, follow: bool = False) -> None:
        """Put the cursor on a row, where it stays."""
        self._begun = False
        super().move_to(index, follow=follow)

    @property
    def _cursor_sequence(self) -> int | None:
        return None if self._cursor is None else self._cursor.sequence

    def advance(self, decided: Sequence[ScoredTransaction]) -> None:
        """Go on to the next open alert, unless the user has left the one that was decided on."""
        done = {row.sequence for row in decided}
        self._decided |= {row.transaction.transaction_id for row in decided}
        if self.follow or self._cursor_sequence not in done or self.today is None:
            return
        rows, at = self.rows, self.cursor_index
        for index in (*range(at + 1, len(rows)), *range(at)):
            row = self.window.current(rows[index])
            if row.transaction.transaction_id not in self._decided and is_open(row.triage, self.today):
                self.put(index)
                return

    def go_to(self, transaction_id: str) -> None:
        """Put the cursor on a transaction that is open again, if the list shows it."""
        self._decided.discard(transaction_id)
        found = next((row for row in self.window.rows if row.transaction.transaction_id == transaction_id), None)
        if found is not None and (index := self.rows.index(found.sequence)) < len(self.rows):
            self.put(index)

    def _title(self) -> str:
        title = f"{self.TITLE}  {'open only' if self.only_open else 'all'}"
        return f"{title}  /{self.window.filter_text}" if self.window.filter_text else title
