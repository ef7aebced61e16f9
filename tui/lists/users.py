"""The table of users, one line each, and the query that it shows."""

import re
from datetime import datetime
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from domain.filters import EVERYTHING, Filter
from domain.profile import UserList, UserOrder, UserSummary
from tui import cells
from tui.lists import columns
from tui.themes import Palette
from tui.widgets.drawing import palette_of, rule
from tui.widgets.wheel import Wheeled

ORDERS: dict[UserOrder, str] = {"flagged": "most flagged", "last": "seen last", "id": "by id"}
"""The orders, in the order in which `s` goes through them."""

_PREFIX = re.compile(r"[\w.@+][\w.@+-]*")


class UserQuery(NamedTuple):
    """Which users to list: those with a transaction that matches, or those whose id starts with `prefix`."""

    order: UserOrder = "flagged"
    prefix: str = ""
    filter: Filter = EVERYTHING

    def reordered(self) -> "UserQuery":
        """The query with the next order."""
        orders = list(ORDERS)
        return self._replace(order=orders[(orders.index(self.order) + 1) % len(orders)])

    def filtered(self, text: str, filter: Filter) -> "UserQuery":
        """The query for what was typed: a single word is the start of a user id, anything else a filter."""
        if _PREFIX.fullmatch(text):
            return self._replace(prefix=text, filter=EVERYTHING)
        return self._replace(prefix="", filter=filter)

    @property
    def nothing_found(self) -> str:
        """The text for an empty list."""
        if self.prefix:
            return f"no user id begins with {self.prefix}"
        return "no profile yet" if self.filter is EVERYTHING else "no user has a transaction that matches"


def user_cell(
    user: UserSummary, column: str, width: int, today: datetime | None, palette: Palette
) -> tuple[str, Style]:
    """The text and style of one cell. Column `new` shows how much of a new user's profile has been learnt."""
    if column == "last":
        return cells.clock(user.last_at, today, min(width, 11)) if user.last_at else "", palette.dim
    if column == "mean":
        # A user whose every transaction was flagged has no mean: detectors do not learn from flagged ones.
        return cells.money(user.mean_amount, user.currency, width) if user.mean_amount else "-", Style.null()
    if column == "new":
        return (f"{user.seen}/{user.needed}", palette.unusual) if user.seen < user.needed else ("", Style.null())
    return {
        "user": (user.user_id, Style.null()),
        "seen": (_count(user.seen, width), Style.null()),
        "flagged": (_count(user.flagged, width), palette.warn + palette.strong if user.flagged else palette.dim),
        "cur": (user.currency, palette.dim),
        "thr": (cells.score(user.threshold), Style.null()),
    }[column]


def _count(number: int, width: int) -> str:
    full = cells.grouped(number)
    return full if len(full) <= width else cells.short(number)


class UserTable(Wheeled, can_focus=True):
    """Users, drawn line by line. The cursor stays on its user when the list changes."""

    class Moved(Message):
        """The user moved the cursor."""

    class Opened(Message):
        """The user opened the line under the pointer."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.user: str | None = None
        self.order: UserOrder = "flagged"
        self.filter_text = ""
        self.notice = ""
        self.today: datetime | None = None
        self._list = UserList()
        self._top = 0
        self._placed: columns.Placed = ()
        self._drawn: tuple[object, ...] = ()

    @property
    def page(self) -> int:
        """How many users fit on screen."""
        return max(1, self.size.height - 2)

    @property
    def cursor_index(self) -> int:
        """The index of the user under the cursor; -1 when the list does not have them."""
        return next((index for index, user in enumerate(self._list.users) if user.user_id == self.user), -1)

    def show(self, users: UserList) -> None:
        """Show these users. Nothing is redrawn when they are the same as before."""
        self._list = users
        if self.user is None and users.users:
            self.user = users.users[0].user_id
        drawn = (users, self.user, self.order, self.filter_text, self.notice, self.today and self.today.date())
        if drawn != self._drawn:
            self._drawn = drawn
            self.refresh()

    def move_to(self, index: int) -> None:
        """Put the cursor on the user at `index`, clamped."""
        users = self._list.users
        if users:
            self.user = users[max(0, min(len(users) - 1, index))].user_id
            self.refresh()
            self.post_message(self.Moved())

    def move_by(self, lines: int) -> None:
        """Move the cursor."""
        self.move_to(self.cursor_index + lines)

    def move_to_end(self) -> None:
        """Put the cursor on the last user."""
        self.move_to(len(self._list.users) - 1)

    def _status(self) -> str:
        count = f"{len(self._list.users)}{'+' if self._list.more else ''}"
        return f"{count}  ▼{ORDERS[self.order]}"

    def render_line(self, y: int) -> Strip:
        """Draw the title rule, the column names, or a user."""
        width, palette = self.size.width, palette_of(self)
        self._placed = columns.place(columns.USERS, width - 1)
        if y == 0:
            title = f"Users  /{self.filter_text}" if self.filter_text else "Users"
            parts = rule(title, self._status(), width, palette, focused=self.has_focus)
            return Strip([Segment(part, palette.base + style) for part, style in parts], width)
        if y == 1:
            return self._line(f" {columns.header(self._placed)}", palette.dim)
        users = self._list.users
        cursor = self.cursor_index
        if cursor >= 0:
            self._top = max(cursor - self.page + 1, min(self._top, cursor))
        self._top = max(0, min(self._top, len(users) - self.page))
        index = self._top + y - 2
        if index >= len(users):
            return self._line(f" {self.notice}" if y == 2 else "", palette.dim)
        base = palette.base + palette.cursor if index == cursor else palette.base
        drawn = [Segment("▌" if index == cursor else " ", base + palette.title)]
        for number, (column, room) in enumerate(self._placed):
            text, ink = user_cell(users[index], column.name, room, self.today, palette)
            drawn.append(Segment((" " if number else "") + cells.fit(text, room, column.right), base + ink))
        return Strip(drawn).adjust_cell_length(width, base)

    def _line(self, text: str, style: Style) -> Strip:
        return Strip([Segment(cells.fit(text, self.size.width), palette_of(self).base + style)], self.size.width)

    def on_resize(self) -> None:
        """The width decides which columns are shown."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the user clicked; a double click opens their profile."""
        index = self._top + event.y - 2
        if event.y >= 2 and index < len(self._list.users):
            self.move_to(index)
            if event.chain == 2:
                self.post_message(self.Opened())
