"""A list of transactions, drawn line by line. Every list of transactions in the console is one of these."""

import asyncio
import math
from datetime import datetime
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from domain.verdict import ScoredTransaction
from tui import cells
from tui.lists import columns
from tui.lists.buffer import RowBuffer
from tui.lists.sorting import Order
from tui.lists.window import Window, WindowState
from tui.widgets.drawing import palette_of, rule
from tui.widgets.timing import seconds
from tui.widgets.wheel import Wheeled

READ_WITHIN = 0.5
"""Seconds that a row must have been under the cursor before anybody can have read it."""


class ListState(NamedTuple):
    """What a list shows, its order, and its cursor. `top` is the sequence of the first row on screen."""

    window: WindowState
    order: Order | None
    wanted_order: tuple[str, bool] | None
    cursor: ScoredTransaction | None
    top: int


class RowList(Wheeled, can_focus=True):
    """Rows of a window, oldest first, with a cursor.

    It draws only the lines on screen, with Textual's line API. The cursor and the first line are kept by sequence, so
    that rows may leave the buffer. A sorted list shows `order`, the rows of one moment, and counts the newer ones.

    The number of rows is not a layout property: a virtual size that grows four times a second would make Textual
    lay out the screen as often.
    """

    TITLE = ""
    COLUMNS: tuple[columns.Column, ...] = ()
    HEADER = True

    class Moved(Message):
        """The user moved the cursor, or follows the newest row again."""

    class Opened(Message):
        """The user opened the row under the pointer."""

    def __init__(self, window: Window, *, id: str) -> None:
        super().__init__(id=id)
        self.window = window
        self.order: Order | None = None
        self._wanted_order: tuple[str, bool] | None = None
        self.follow = True
        self.today: datetime | None = None
        self.notice = ""
        self._cursor: ScoredTransaction | None = None
        self._put_at = -math.inf
        self._top_sequence = 0
        self._top_index = 0
        self._marked: int | None = None
        self._drawn: tuple[object, ...] = ()
        self._placed: columns.Placed = ()
        self._placed_for = -1

    @property
    def selected(self) -> ScoredTransaction | None:
        """The row under the cursor, even after it left the buffer; None while following.

        When a filter hides the row, the cursor is on its neighbour.
        """
        if self.follow or self._cursor is None:
            return None
        rows, sequence = self.window.rows, self._cursor.sequence
        if self.order is not None or not (rows.holds(sequence) or self.window.buffer.holds(sequence)):
            return self.window.current(self._cursor)
        return self.window.current(rows[self.cursor_index]) if len(rows) else None

    @property
    def was_read(self) -> bool:
        """Whether the row under the cursor is what the user looks at, so that a key may decide on it.

        It is when the user put the cursor there, and half a second after it came there in another way.
        """
        selected = self.selected
        if selected is None or self._cursor is None or selected.sequence != self._cursor.sequence:
            return False
        return seconds(self) - self._put_at >= READ_WITHIN

    @property
    def rows(self) -> RowBuffer | Order:
        """What is shown, from the top: the rows of the window, or the sorted ones."""
        return self.window.rows if self.order is None else self.order

    def listed(self) -> list[ScoredTransaction]:
        """Every row of the list, in the order shown; the end has those that the order has not: they came since it was
        made, or stand behind another of their case.
        """
        shown = self.rows.all()
        known = {row.transaction.transaction_id for row in shown}
        return [*shown, *(row for row in self.window.rows if row.transaction.transaction_id not in known)]

    @property
    def newest(self) -> ScoredTransaction | None:
        """The last row shown."""
        rows = self.window.rows
        return rows[len(rows) - 1] if len(rows) else None

    @property
    def at_top(self) -> bool:
        """Whether the oldest row is on screen, or there is none."""
        return self._top() == 0

    @property
    def at_end(self) -> bool:
        """Whether the last row is on screen, or there is none."""
        return self._top() + self.page >= len(self.rows)

    @property
    def page(self) -> int:
        """How many rows fit on screen."""
        return max(1, self.size.height - self._lines_above)

    @property
    def _lines_above(self) -> int:
        height = self.size.height
        headed = self.HEADER or self.order is not None
        return 0 if height < 3 else 1 if height < 5 or not headed else 2

    def status(self) -> str:
        """The text at the right of the title."""
        return "  ".join(filter(None, (self.count(), self.order_status() or self.motion())))

    def count(self) -> str:
        """How many rows there are."""
        raise NotImplementedError

    def motion(self) -> str:
        """Whether the list is frozen or follows the newest row; empty when it does neither."""
        if self.window.frozen:
            return f"frozen +{cells.grouped(self.window.pending)} pending"
        return "▼follow" if self.follow else ""

    def order_status(self) -> str:
        """The column that the list is sorted by, and how many rows are newer; empty when it is not sorted."""
        if self.order is None:
            return ""
        rows = self.window.rows
        pending = len(rows) - rows.index(self.order.newest + 1)
        name = next(column.header.strip() for column in self.COLUMNS if column.name == self.order.column)
        return f"by {name} {self.order.mark}" + (f"  +{cells.grouped(pending)} pending" if pending else "")

    def sortable(self) -> list[str]:
        """The names of the columns on screen, in their order."""
        return [column.name for column, _ in columns.place(self.COLUMNS, self.size.width - 1)]

    @property
    def sorted_by(self) -> tuple[str, bool] | None:
        """The column of the last `sort`, and whether it descends; it may still be sorting."""
        return self._wanted_order

    def sort(self, column: str, descending: bool) -> None:
        """Sort the rows of this moment by a column. They are shown once sorted, with the cursor on the first."""
        self._wanted_order = column, descending
        self.run_worker(self._sort(column, descending), group="sort", exclusive=True)

    async def _sort(self, column: str, descending: bool) -> None:
        order = await asyncio.to_thread(Order, self.window.rows.all(), column, descending)
        if len(order) and self._wanted_order == (column, descending):
            self.order = order
            self.move_to(0)

    def refresh_rows(self) -> None:
        """Redraw if something on screen has changed."""
        # The time left of a snooze is shown in minutes.
        minute = self.today and self.today.replace(second=0, microsecond=0)
        drawn = (self.order, self.window.version, self.status(), self.notice, minute)
        if drawn != self._drawn:
            self._drawn = drawn
            self.refresh()

    def move_to(self, index: int, *, follow: bool = False) -> None:
        """Put the cursor on the row at `index`, clamped. With `follow` it stays on the newest row from now on."""
        rows = self.rows
        if not len(rows):
            self.follow = True
            return
        self.follow = follow
        self._cursor = rows[max(0, min(len(rows) - 1, index))]
        self._put_at = -math.inf
        self.refresh()
        self.post_message(self.Moved())

    def put(self, index: int) -> None:
        """Put the cursor on a row that the user did not choose."""
        self.move_to(index)
        self._put_at = seconds(self)

    def put_if_new(self, index: int) -> None:
        """Put the cursor on a row, unless it is there: the time that a row has been there goes on."""
        cursor, rows = self._cursor, self.rows
        if self.follow or cursor is None or not len(rows) or rows[max(index, 0)].sequence != cursor.sequence:
            self.put(index)

    def move_by(self, lines: int) -> None:
        """Move the cursor. Moving up stops following."""
        if self.follow and lines >= 0:
            return
        self.move_to(self.cursor_index + lines)

    def select(self, sequence: int) -> bool:
        """Put the cursor on the row with this sequence; False when the list does not show it."""
        rows = self.rows
        index = rows.index(sequence)
        if index == len(rows) or rows[index].sequence != sequence:
            return False
        self.move_to(index)
        return True

    def begin(self) -> None:
        """Show the list as it is at first: with the newest row, and following it."""
        self.set_follow(True)

    def put_on(self, sequence: int) -> bool:
        """Put the cursor on the row with this sequence; False when the list does not show it."""
        found = self.select(sequence)
        if found:
            self._put_at = seconds(self)
        return found

    def set_follow(self, follow: bool) -> None:
        """Follow the newest row, unsorted, or leave the cursor where it is."""
        if follow:
            self.order = self._wanted_order = None
        self.move_to(len(self.rows) - 1 if follow or self.follow else self.cursor_index, follow=follow)

    def move_to_end(self) -> None:
        """Follow the newest row; in a sorted list, go to the last one."""
        if self.order is None:
            self.set_follow(True)
        else:
            self.move_to(len(self.order) - 1)

    def save(self) -> ListState:
        """What is shown now, for `restore`."""
        return ListState(self.window.save(), self.order, self._wanted_order, self.selected, self._top_sequence)

    def restore(self, state: ListState) -> None:
        """Show again what was saved, frozen or sorted if it was."""
        self.window.restore(state.window)
        self.order, self._wanted_order = state.order, state.wanted_order
        self._cursor, self.follow, self._top_sequence = state.cursor, state.cursor is None, state.top
        self.refresh()

    @property
    def cursor_index(self) -> int:
        """The index of the row under the cursor, or of its neighbour when that row has left; -1 without rows."""
        rows = self.rows
        if self.follow or self._cursor is None:
            return len(rows) - 1
        return min(rows.index(self._cursor.sequence), len(rows) - 1)

    def _top(self) -> int:
        rows, page = self.rows, self.page
        last_top = max(0, len(rows) - page)
        if self.follow:
            return last_top
        cursor = self.cursor_index
        top = min(rows.index(self._top_sequence), last_top)
        return max(cursor - page + 1, min(top, cursor), 0)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Find the first row on screen, then draw the lines of `crop`."""
        rows = self.rows
        self._top_index = self._top()
        self._top_sequence = rows[self._top_index].sequence if self._top_index < len(rows) else 0
        selected = self.selected
        self._marked = None if selected is None else selected.sequence
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Draw the title rule, the column names, or a row."""
        width = self.size.width
        palette = palette_of(self)
        above = self._lines_above
        if width != self._placed_for:
            self._placed, self._placed_for = columns.place(self.COLUMNS, width - 1), width
        if y == 0 and above:
            text = rule(self._title(), self.status(), width, palette, focused=self.has_focus)
            return Strip([Segment(part, palette.base + style) for part, style in text], width)
        if y < above:
            return self._line(f" {columns.header(self._placed, *self._order_mark())}", palette.dim)
        rows = self.rows
        if not len(rows):
            return self._line(f" {self.notice}" if y == above else "", palette.dim)
        index = self._top_index + y - above
        if index >= len(rows):
            return self._line("", palette.dim)
        row = self.window.current(rows[index])
        here = row.sequence == self._marked
        base = palette.base + palette.cursor if here else palette.base
        drawn = columns.segments(row, self._placed, columns.RowStyle(palette, base, self.today, self.alerts_of(row)))
        edge = Segment("▌" if here else " ", base + palette.title)
        return Strip([edge, *drawn]).adjust_cell_length(width, base)

    def alerts_of(self, row: ScoredTransaction) -> int:
        """How many alerts a row stands for."""
        return 1

    def _order_mark(self) -> tuple[str, str]:
        return ("", "") if self.order is None else (self.order.column, self.order.mark)

    def _title(self) -> str:
        text = self.window.filter_text
        return f"{self.TITLE}  /{text}" if text else self.TITLE

    def _line(self, text: str, style: Style) -> Strip:
        palette = palette_of(self)
        return Strip([Segment(cells.fit(text, self.size.width), palette.base + style)], self.size.width)

    def on_resize(self) -> None:
        """The width decides which columns are shown."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row clicked; a double click opens it."""
        index = self._top() + event.y - self._lines_above
        if event.y >= self._lines_above and index < len(self.rows):
            self.move_to(index)
            if event.chain == 2:
                self.post_message(self.Opened())
