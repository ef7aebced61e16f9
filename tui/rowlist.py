"""A list of rows drawn line by line: what the feed and the anomaly feed have in common."""

from datetime import datetime

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from domain.verdict import ScoredTransaction
from tui import cells, columns
from tui.panes import palette_of, rule
from tui.rows import Window

_WHEEL_LINES = 3


class RowList(Widget, can_focus=True):
    """Rows of a window, oldest first, with a cursor.

    It draws only the lines on screen, from the line API, and keeps its place by sequence number, so that
    rows may leave the ring under it. Its height in rows never becomes a layout property: a virtual size that
    grows four times a second would lay the screen out as often.
    """

    TITLE = ""
    COLUMNS: tuple[columns.Column, ...] = ()
    HEADER = True

    class Moved(Message):
        """The cursor was moved by hand, or let go to follow again."""

    class Opened(Message):
        """The row under the pointer was asked for in detail."""

    def __init__(self, window: Window, *, id: str) -> None:
        super().__init__(id=id)
        self.window = window
        self.follow = True
        self.today: datetime | None = None
        self.notice = ""
        self._cursor: ScoredTransaction | None = None
        self._top_sequence = 0
        self._top_index = 0
        self._marked: int | None = None
        self._drawn: tuple[object, ...] = ()
        self._placed: columns.Placed = ()
        self._placed_for = -1

    @property
    def selected(self) -> ScoredTransaction | None:
        """The row under the cursor, even after it left the ring; None while following.

        A row that was filtered out is no longer under the cursor: its neighbour is.
        """
        if self.follow or self._cursor is None:
            return None
        rows, sequence = self.window.rows, self._cursor.sequence
        if not rows.holds(sequence) and not self.window.ring.holds(sequence):
            return self._cursor
        return rows[self.cursor_index] if len(rows) else None

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
    def page(self) -> int:
        """Rows on screen."""
        return max(1, self.size.height - self._lines_above)

    @property
    def _lines_above(self) -> int:
        height = self.size.height
        return 0 if height < 3 else 1 if height < 5 or not self.HEADER else 2

    def status(self) -> str:
        """What stands at the right of the title."""
        raise NotImplementedError

    def refresh_rows(self) -> None:
        """Draw again if what is shown has changed."""
        # To the minute: the time left of a snooze is shown.
        minute = self.today and self.today.replace(second=0, microsecond=0)
        drawn = (self.window.version, self.status(), self.notice, minute)
        if drawn != self._drawn:
            self._drawn = drawn
            self.refresh()

    def move_to(self, index: int, *, follow: bool = False) -> None:
        """Put the cursor on the row at `index`, clamped; `follow` keeps it on the newest from now on."""
        rows = self.window.rows
        if not len(rows):
            self.follow = True
            return
        self.follow = follow
        self._cursor = rows[max(0, min(len(rows) - 1, index))]
        self.refresh()
        self.post_message(self.Moved())

    def move_by(self, lines: int) -> None:
        """Move the cursor; upwards it stops following."""
        if self.follow and lines >= 0:
            return
        self.move_to(self.cursor_index + lines)

    def select(self, sequence: int) -> bool:
        """Put the cursor on the row of that sequence; False when it is not shown here."""
        rows = self.window.rows
        index = rows.index(sequence)
        if index == len(rows) or rows[index].sequence != sequence:
            return False
        self.move_to(index)
        return True

    def set_follow(self, follow: bool) -> None:
        """Follow the newest row, or stay where the cursor is."""
        self.move_to(len(self.window.rows) - 1 if follow or self.follow else self.cursor_index, follow=follow)

    @property
    def cursor_index(self) -> int:
        """Where the cursor is; its neighbour when its row has left, -1 without rows."""
        rows = self.window.rows
        if self.follow or self._cursor is None:
            return len(rows) - 1
        return min(rows.index(self._cursor.sequence), len(rows) - 1)

    def _top(self) -> int:
        rows, page = self.window.rows, self.page
        last_top = max(0, len(rows) - page)
        if self.follow:
            return last_top
        cursor = self.cursor_index
        top = min(rows.index(self._top_sequence), last_top)
        return max(cursor - page + 1, min(top, cursor), 0)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Settle which row is on top, then draw the lines asked for."""
        rows = self.window.rows
        self._top_index = self._top()
        self._top_sequence = rows[self._top_index].sequence if self._top_index < len(rows) else 0
        selected = self.selected
        self._marked = None if selected is None else selected.sequence
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line: the title rule, the column names, or a row."""
        width = self.size.width
        palette = palette_of(self)
        above = self._lines_above
        if width != self._placed_for:
            self._placed, self._placed_for = columns.place(self.COLUMNS, width - 1), width
        if y == 0 and above:
            text = rule(self._title(), self.status(), width, palette, focused=self.has_focus)
            return Strip([Segment(part, palette.base + style) for part, style in text], width)
        if y < above:
            return self._line(f" {columns.header(self._placed)}", palette.dim)
        rows = self.window.rows
        if not len(rows):
            return self._line(f" {self.notice}" if y == above else "", palette.dim)
        index = self._top_index + y - above
        if index >= len(rows):
            return self._line("", palette.dim)
        row = rows[index]
        here = row.sequence == self._marked
        base = palette.base + palette.cursor if here else palette.base
        drawn = columns.segments(row, self._placed, columns.RowStyle(palette, base, self.today))
        edge = Segment("▌" if here else " ", base + palette.title)
        return Strip([edge, *drawn]).adjust_cell_length(width, base)

    def _title(self) -> str:
        text = self.window.filter_text
        return f"{self.TITLE}  /{text}" if text else self.TITLE

    def _line(self, text: str, style: Style) -> Strip:
        palette = palette_of(self)
        return Strip([Segment(cells.fit(text, self.size.width), palette.base + style)], self.size.width)

    def on_resize(self) -> None:
        """A new width is another set of columns."""
        self.refresh()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move up."""
        event.stop()
        self.move_by(-_WHEEL_LINES)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move down."""
        event.stop()
        self.move_by(_WHEEL_LINES)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row clicked; a second click opens it."""
        index = self._top() + event.y - self._lines_above
        if event.y >= self._lines_above and index < len(self.window.rows):
            self.move_to(index)
            if event.chain == 2:
                self.post_message(self.Opened())
