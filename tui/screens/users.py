"""The Users screen: a list of users, and everything known of the one under the cursor."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from domain.filters import EVERYTHING, Filter, of_user, parse
from domain.profile import ProfileView, UserList, UserOrder
from domain.verdict import ScoredTransaction
from tui import keymap
from tui.console import console_of
from tui.lists.filterline import FilterLine
from tui.lists.rowlist import RowList
from tui.lists.stored import MOST_ROWS, StoredAnomalies
from tui.lists.users import ORDERS, UserTable
from tui.modals.plots import Plots
from tui.panes.userprofile import UserProfilePane, user_lines
from tui.screens.base import ConsoleScreen
from tui.screens.copying import Copying
from tui.screens.detail import Detail
from tui.screens.inquiry import Inquiry
from tui.screens.triaging import Triaging
from tui.widgets.drawing import palette_of

MOST_USERS = 200
WIDE = 120
"""Cells from which the profile stands beside the list, not in its place."""

_EVERY = 1.0
_ANOMALIES_EVERY = 5.0
_PREFIX = re.compile(r"[\w.@+][\w.@+-]*")
_FLAGGED = parse("is:flagged")

Asked = tuple[UserOrder, str, Filter]


class UsersScreen(Copying, Triaging, ConsoleScreen):
    """Users, sorted and filtered by the engine, which is asked once a second at most."""

    NAME = "Users"
    HINTS = keymap.USERS_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.USERS]

    def __init__(self) -> None:
        super().__init__()
        self._in_profile = False
        self._asked: Asked = ("flagged", "", EVERYTHING)
        self._users: Inquiry[Asked, UserList] = Inquiry(self, "users", self._ask_users, _EVERY)
        self._profile: Inquiry[str, ProfileView] = Inquiry(self, "profile", self._ask_profile, _EVERY)
        self._anomalies: Inquiry[str, tuple[ScoredTransaction, ...]] = Inquiry(
            self, "anomalies", self._ask_anomalies, _ANOMALIES_EVERY
        )

    def body(self) -> Iterable[Widget]:
        """The list at the left, the profile above the user's anomalies at the right or in its place."""
        yield Horizontal(
            UserTable(id="users"),
            Vertical(UserProfilePane(id="user-profile"), StoredAnomalies(id="user-anomalies"), id="user"),
            id="users-body",
        )
        yield FilterLine(id="filter")

    def on_mount(self) -> None:
        """The list has the keys at first; anomalies are read again when somebody has decided on one."""
        self.query_one(UserTable).focus()
        self.watch(self.app, "triage_sequence", self._anomalies.forget, init=False)
        self._arrange()

    async def _ask_users(self, asked: Asked) -> UserList:
        return await console_of(self).port.users(asked[0], MOST_USERS, asked[1], asked[2])

    async def _ask_profile(self, user: str) -> ProfileView | None:
        return await console_of(self).port.profile(user)

    async def _ask_anomalies(self, user: str) -> tuple[ScoredTransaction, ...]:
        return await console_of(self).port.history(of_user(user) & _FLAGGED, MOST_ROWS)

    def draw_body(self, now: datetime) -> None:
        """The list, then the user's profile and anomalies where they are visible."""
        rows, anomalies = self.query_one(UserTable), self.query_one(StoredAnomalies)
        self._take_wanted_user(rows)
        self._users.want(self._asked)
        rows.today = anomalies.today = now
        rows.order = self._asked[0]
        answer = self._users.of(self._asked)
        rows.notice = self._notice(answer)
        rows.show(answer or UserList())
        profile = self.query_one(UserProfilePane)
        if profile.region:
            user = rows.user
            if user is not None:
                self._profile.want(user)
                self._anomalies.want(user)
            size, palette = profile.size, palette_of(self)
            problem = (self._profile.problem_of(user) or "never seen") if user else "no user yet"
            profile.show(user_lines(user, self._profile.of(user), problem, size.width, size.height, palette))
            found = self._anomalies.of(user)
            anomalies.notice = "none" if found is not None else self._anomalies.problem_of(user) if user else ""
            anomalies.show_rows(found or ())
            anomalies.refresh_rows()

    def _take_wanted_user(self, rows: UserTable) -> None:
        """Whom another screen asked to see, in full."""
        wanted, console_of(self).wanted_user = console_of(self).wanted_user, None
        if wanted is not None:
            rows.user = wanted
            self._show_profile(True)

    def _notice(self, answer: UserList | None) -> str:
        if answer is None:
            return self._users.problem_of(self._asked)
        _, prefix, asked = self._asked
        if prefix:
            return f"no user id begins with {prefix}"
        return "no user has a transaction that matches" if asked is not EVERYTHING else "no profile yet"

    def on_resize(self) -> None:
        """Beside each other or in place of each other."""
        self._arrange()
        super().on_resize()

    def _arrange(self) -> None:
        self.set_class(self.size.width >= WIDE, "-wide")
        self.set_class(self._in_profile, "-profile")
        self.call_after_refresh(self.redraw)

    def _show_profile(self, shown: bool) -> None:
        self._in_profile = shown
        self._arrange()
        self.query_one(StoredAnomalies if shown else UserTable).focus()

    @property
    def _in_list(self) -> bool:
        """Whether the keys act on the list of users."""
        return not isinstance(self.focused, StoredAnomalies)

    @property
    def _active(self) -> UserTable | StoredAnomalies:
        return self.query_one(UserTable) if self._in_list else self.query_one(StoredAnomalies)

    @property
    def subject(self) -> ScoredTransaction | None:
        """The anomaly under the cursor, else the newest one; None while the list of users has the keys."""
        anomalies = self.query_one(StoredAnomalies)
        return None if self._in_list else anomalies.selected or anomalies.newest

    @property
    def to_decide(self) -> ScoredTransaction | None:
        """The same, but only what the cursor is on."""
        return None if self._in_list else self.query_one(StoredAnomalies).selected

    @on(UserTable.Moved)
    @on(RowList.Moved)
    def _moved(self) -> None:
        self.redraw()

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        if self._in_list:
            self.query_one(UserTable).move_by(lines)
        else:
            self._reached(self.query_one(StoredAnomalies)).move_by(lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by a screenful."""
        self.action_move(pages * self._active.page)

    def action_top(self) -> None:
        """The first line."""
        self._active.move_to(0)

    def action_end(self) -> None:
        """The last line."""
        if self._in_list:
            self.query_one(UserTable).move_to_end()
        else:
            self.query_one(StoredAnomalies).set_follow(True)

    @staticmethod
    def _reached(anomalies: StoredAnomalies) -> StoredAnomalies:
        """The anomalies with the cursor on one of them."""
        if anomalies.follow:
            anomalies.move_to(len(anomalies.window) - 1)
        return anomalies

    def action_other_list(self) -> None:
        """The keys go to the user's anomalies, or back to the list."""
        self._show_profile(self._in_list)

    @on(UserTable.Opened)
    @on(RowList.Opened)
    def action_open(self) -> None:
        """The profile of the user; on an anomaly its detail."""
        if self._in_list:
            self._show_profile(True)
            return
        anomalies = self._reached(self.query_one(StoredAnomalies))
        if anomalies.selected is not None:
            self.app.push_screen(Detail(anomalies.selected))

    def action_back(self) -> None:
        """The way one came, else back to the list, else clear the filter."""
        if console_of(self).climb() or self._in_profile:
            self._show_profile(False)
        elif self.query_one(UserTable).filter_text:
            self._filter("", EVERYTHING)

    def action_sort(self) -> None:
        """Most flagged first, seen last first, by id; from the top."""
        orders = list(ORDERS)
        order = orders[(orders.index(self._asked[0]) + 1) % len(orders)]
        self._asked = (order, *self._asked[1:])
        self.query_one(UserTable).user = None
        self.redraw()

    def action_filter(self) -> None:
        """Type a filter, or how the user's id begins."""
        self.query_one(FilterLine).open(
            self.query_one(UserTable).filter_text, self.intake.feed.buffer, console_of(self).library.kept.recent
        )

    @on(FilterLine.Applied)
    def _filter_applied(self, event: FilterLine.Applied) -> None:
        self._close_filter()
        self._filter(event.text, event.filter)

    @on(FilterLine.Cancelled)
    def _close_filter(self) -> None:
        self.query_one(FilterLine).close()
        self._show_profile(self._in_profile)

    def _filter(self, text: str, filter: Filter) -> None:
        prefix = text if _PREFIX.fullmatch(text) else ""
        self._asked = (self._asked[0], prefix, EVERYTHING if prefix else filter)
        rows = self.query_one(UserTable)
        rows.filter_text = text
        rows.user = None
        self._show_profile(False)

    def action_plot(self) -> None:
        """Amounts, scores and thresholds of the user over time."""
        user = self.query_one(UserTable).user
        if user is not None:
            self.app.push_screen(Plots(user, console_of(self).port))

    def action_transactions(self) -> None:
        """The user's transactions in Live, with those in PostgreSQL."""
        user = self.query_one(UserTable).user
        if user is not None:
            console_of(self).show_transactions(user)
