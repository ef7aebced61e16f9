"""The Users screen: a table of users, and the profile and anomalies of the one under the cursor."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from domain.filters import EVERYTHING, Filter, of_user, parse
from domain.profile import ProfileView, UserList
from domain.verdict import ScoredTransaction
from tui import keymap
from tui.console import console_of
from tui.lists.filterline import FilterLine
from tui.lists.rowlist import RowList
from tui.lists.stored import MOST_ROWS, StoredAnomalies
from tui.lists.users import UserQuery, UserTable
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
"""Width in cells from which the profile stands beside the users instead of in their place."""

_EVERY = 1.0
_ANOMALIES_EVERY = 5.0
_FLAGGED = parse("is:flagged")


class UsersScreen(Copying, Triaging, ConsoleScreen):
    """Users, sorted and filtered by the engine, which is queried at most once a second."""

    NAME = "Users"
    HINTS = keymap.USERS_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.USERS]

    def __init__(self) -> None:
        super().__init__()
        self._in_profile = False
        self._query = UserQuery()
        self._users: Inquiry[UserQuery, UserList] = Inquiry(
            self,
            "users",
            lambda query: console_of(self).port.users(query.order, MOST_USERS, query.prefix, query.filter),
            _EVERY,
        )
        self._profile: Inquiry[str, ProfileView] = Inquiry(
            self, "profile", lambda user: console_of(self).port.profile(user), _EVERY
        )
        self._anomalies: Inquiry[str, tuple[ScoredTransaction, ...]] = Inquiry(
            self,
            "anomalies",
            lambda user: console_of(self).port.history(of_user(user) & _FLAGGED, MOST_ROWS),
            _ANOMALIES_EVERY,
        )

    def body(self) -> Iterable[Widget]:
        """Users at the left; profile above anomalies at the right, or in place of the users."""
        yield Horizontal(
            UserTable(id="users"),
            Vertical(UserProfilePane(id="user-profile"), StoredAnomalies(id="user-anomalies"), id="user"),
            id="users-body",
        )
        yield FilterLine(console_of(self).stream_clock, id="filter")

    def on_mount(self) -> None:
        """Focus the users. Anomalies are read again after each decision."""
        self.query_one(UserTable).focus()
        self.watch(self.app, "triage_sequence", self._anomalies.forget, init=False)
        self._arrange()

    def draw_body(self, now: datetime) -> None:
        """Draw the users, and the profile and anomalies if they are visible."""
        users, anomalies = self.query_one(UserTable), self.query_one(StoredAnomalies)
        self._take_wanted_user(users)
        self._users.want(self._query)
        users.today = anomalies.today = console_of(self).stream_clock()
        users.order = self._query.order
        answer = self._users.of(self._query)
        users.notice = self._users.problem_of(self._query) if answer is None else self._query.nothing_found
        users.show(answer or UserList())
        profile = self.query_one(UserProfilePane)
        if profile.region:
            user = users.user
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

    def _take_wanted_user(self, users: UserTable) -> None:
        """Select the user that another screen asked for, and show their profile."""
        wanted, console_of(self).wanted_user = console_of(self).wanted_user, None
        if wanted is not None:
            users.user = wanted
            self._show_profile(True)

    def on_resize(self) -> None:
        """The width decides whether the profile stands beside the users or in their place."""
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
        """Whether the keys act on the users."""
        return not isinstance(self.focused, StoredAnomalies)

    @property
    def _active(self) -> UserTable | StoredAnomalies:
        return self.query_one(UserTable) if self._in_list else self.query_one(StoredAnomalies)

    @property
    def subject(self) -> ScoredTransaction | None:
        """The anomaly under the cursor, or else the newest one; None while the keys act on the users."""
        anomalies = self.query_one(StoredAnomalies)
        return None if self._in_list else anomalies.selected or anomalies.newest

    @property
    def to_decide(self) -> ScoredTransaction | None:
        """The anomaly under the cursor; None without a cursor, and while the keys act on the users."""
        return None if self._in_list else self.query_one(StoredAnomalies).selected

    @property
    def was_read(self) -> bool:
        """Whether the anomaly has been under the cursor for long enough."""
        return self.query_one(StoredAnomalies).was_read

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
        """Move the cursor by screenfuls."""
        self.action_move(pages * self._active.page)

    def action_top(self) -> None:
        """Go to the first line."""
        self._active.move_to(0)

    def action_end(self) -> None:
        """Go to the last line."""
        if self._in_list:
            self.query_one(UserTable).move_to_end()
        else:
            self.query_one(StoredAnomalies).set_follow(True)

    @staticmethod
    def _reached(anomalies: StoredAnomalies) -> StoredAnomalies:
        """The list of anomalies, after putting its cursor on the newest row if it has none."""
        if anomalies.follow:
            anomalies.move_to(len(anomalies.window) - 1)
        return anomalies

    def action_other_list(self) -> None:
        """Switch between the users and the anomalies."""
        self._show_profile(self._in_list)

    @on(UserTable.Opened)
    @on(RowList.Opened)
    def action_open(self) -> None:
        """Open the profile of the user, or the detail of the anomaly."""
        if self._in_list:
            self._show_profile(True)
            return
        anomalies = self._reached(self.query_one(StoredAnomalies))
        if anomalies.selected is not None:
            self.app.push_screen(Detail(anomalies.selected))

    def action_back(self) -> None:
        """Go back to the screen that led here, or else to the users, or else remove the filter."""
        if console_of(self).climb() or self._in_profile:
            self._show_profile(False)
        elif self.query_one(UserTable).filter_text:
            self._filter("", EVERYTHING)

    def action_sort(self) -> None:
        """Change to the next order, with the cursor at the top."""
        self._query = self._query.reordered()
        self.query_one(UserTable).user = None
        self.redraw()

    def action_filter(self) -> None:
        """Open the filter line, for a filter or the start of a user id."""
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
        self._query = self._query.filtered(text, filter)
        users = self.query_one(UserTable)
        users.filter_text = text
        users.user = None
        self._show_profile(False)

    def action_plot(self) -> None:
        """Open the plots of the user's amounts and scores."""
        user = self.query_one(UserTable).user
        if user is not None:
            self.app.push_screen(Plots(user, console_of(self).port))

    def action_transactions(self) -> None:
        """Go to the user's transactions on the Live screen."""
        user = self.query_one(UserTable).user
        if user is not None:
            console_of(self).show_transactions(user)
