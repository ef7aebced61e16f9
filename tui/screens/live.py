"""The Live screen: feed, anomalies, reasons, user profile and health together."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from domain.filters import Filter, of_user
from domain.profile import ProfileView
from domain.verdict import ScoredTransaction
from tui import keymap
from tui.console import console_of
from tui.lists.anomalies import AnomalyFeed
from tui.lists.feed import Feed
from tui.lists.filterline import FilterLine
from tui.lists.rowlist import RowList
from tui.lists.stored import MOST_ROWS, StoredTransactions
from tui.panes.health import HealthPane, health_lines, summary
from tui.panes.profile import ProfilePane, profile_lines
from tui.panes.why import WhyPane, why_lines
from tui.screens.browsing import Browsing
from tui.screens.detail import Detail
from tui.screens.explaining import Explaining
from tui.screens.inquiry import Inquiry
from tui.screens.layout import lay_out
from tui.screens.triaging import BulkTriaging
from tui.widgets.drawing import Line, palette_of

_PROFILE_EVERY = 1.0
_STORED_EVERY = 5.0


class LiveScreen(BulkTriaging, Browsing):
    """What is happening now, and why the row under the cursor was scored as it was.

    While the feed follows, the panes explain the newest anomaly, because the newest row changes many times a second.
    Once the cursor is moved, they explain the row under it.
    """

    NAME = "Live"
    HINTS = keymap.LIVE_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.LIVE]

    def __init__(self) -> None:
        super().__init__()
        self._in_place = ""
        self._of_user: str | None = None
        self._explained: ScoredTransaction | None = None
        self._explaining = Explaining(self)
        self._profile: Inquiry[str, ProfileView] = Inquiry(
            self, "profile", lambda user: console_of(self).port.profile(user), _PROFILE_EVERY
        )
        self._stored: Inquiry[str, tuple[ScoredTransaction, ...]] = Inquiry(
            self,
            "stored transactions",
            lambda user: console_of(self).port.history(of_user(user), MOST_ROWS),
            _STORED_EVERY,
        )

    def body(self) -> Iterable[Widget]:
        """Lists at the left, panes at the right. The style sheet hides what does not fit."""
        intake = self.intake
        yield Horizontal(
            Vertical(
                Feed(intake.feed, id="feed"),
                AnomalyFeed(intake.anomalies, id="anomalies"),
                StoredTransactions(id="stored"),
                id="lists",
            ),
            Vertical(WhyPane(id="why"), ProfilePane(id="profile"), HealthPane(id="health"), id="panes"),
            id="live",
        )
        yield Line(id="summary")
        yield FilterLine(console_of(self).stream_clock, id="filter")

    def on_mount(self) -> None:
        """Focus the feed. Stored transactions are read again after each decision."""
        self.query_one(Feed).focus()
        self.watch(self.app, "triage_sequence", self._stored.forget, init=False)

    @property
    def active(self) -> RowList:
        """The list that the keys act on."""
        return self.focused if isinstance(self.focused, RowList) else self.query_one(Feed)

    @property
    def hints(self) -> tuple[tuple[str, str], ...]:
        """The most used keys. While the screen shows one user, the first one leads back."""
        return self.HINTS if self._of_user is None else (("Esc", "back to the user"), *self.HINTS)

    @property
    def subject(self) -> ScoredTransaction | None:
        """The row that the panes explain."""
        feed, anomalies = self.query_one(Feed), self.query_one(AnomalyFeed)
        if self._of_user is not None:
            return self.active.selected or feed.newest or self.query_one(StoredTransactions).newest
        return self.active.selected or anomalies.newest or feed.newest

    @property
    def to_decide(self) -> ScoredTransaction | None:
        """The row under the cursor."""
        return self.active.selected

    @property
    def was_read(self) -> bool:
        """Whether the row has been under the cursor for long enough."""
        return self.active.was_read

    def hold(self) -> ScoredTransaction | None:
        """Put the cursor on the anomaly that is explained, or on the row that has come under it."""
        rows, explained = self.active, self._explained
        if rows.selected is not None:
            rows.put_if_new(rows.cursor_index)
            return rows.selected
        if explained is None or not explained.flagged or self._of_user is not None:
            return None
        feed, anomalies = self.query_one(Feed), self.query_one(AnomalyFeed)
        shown = [anomalies, feed] if anomalies.region else [feed, anomalies]
        held = next((each for each in shown if each.put_on(explained.sequence)), None)
        if held is None:
            return None
        self.set_focus(held)
        return held.selected

    @property
    def to_match(self) -> Filter:
        """The filter of the active list."""
        return self.active.window.filter

    def draw_body(self, now: datetime) -> None:
        """Draw the lists, then the panes that are visible."""
        feed, anomalies = self.query_one(Feed), self.query_one(AnomalyFeed)
        feed.today = anomalies.today = console_of(self).stream_clock()
        feed.notice = self._feed_notice()
        anomalies.notice = (
            "warming up: detectors learn from the first 1,000 transactions"
            if self.intake.warming
            else "no anomalies yet"
        )
        feed.refresh_rows()
        anomalies.refresh_rows()
        self._draw_stored(feed.today)
        palette = palette_of(self)
        self.query_one("#summary", Line).show(
            summary(self.intake.snapshot, self.size.width, palette, lost=bool(self.intake.trouble))
        )
        self._draw_panes(now)

    def _feed_notice(self) -> str:
        feed = self.intake.feed
        if len(feed.buffer) and feed.filter_text:
            return "no transaction matches the filter"
        return "waiting for the first transaction..."

    def _draw_panes(self, now: datetime) -> None:
        palette = palette_of(self)
        why, profile, health = self.query_one(WhyPane), self.query_one(ProfilePane), self.query_one(HealthPane)
        subject = self._explained = self.subject
        if why.region:
            truth = console_of(self).show_truth
            lines = why_lines(subject, why.size.width, palette, followed=self.active.follow, truth=truth)
            if not self.active.follow:
                lines += self._explaining.lines(subject, len(lines), why.size.width, why.size.height, palette)
            why.show(lines)
        if profile.region:
            user = subject.transaction.user_id if subject else self._of_user
            if user is not None:
                self._profile.want(user)
            problem = (self._profile.problem_of(user) or "never seen") if user else "no user yet"
            profile.show(profile_lines(user, self._profile.of(user), problem, profile.size.width, palette))
        if health.region:
            lost = bool(self.intake.trouble)
            health.show(health_lines(self.intake.snapshot, now, health.size.width, palette, lost=lost))

    def _draw_stored(self, now: datetime) -> None:
        """While the screen shows one user, draw their transactions from the database."""
        user = self._of_user
        if user is None:
            return
        self._stored.want(user)
        stored, found = self.query_one(StoredTransactions), self._stored.of(user)
        stored.today = now
        stored.notice = "none" if found is not None else self._stored.problem_of(user)
        stored.show_rows(found or ())
        stored.refresh_rows()

    def drill(self, user_id: str) -> Callable[[], None]:
        """Show the transactions of one user only: live ones in the feed, stored ones below it.

        Returns a function that puts filter, cursor and freeze back.
        """
        feed, frozen = self.query_one(Feed), self.intake.frozen
        earlier, pane, user, active = feed.save(), self._in_place, self._of_user, self.active

        def restore() -> None:
            feed.restore(earlier)
            if self.intake.anomalies.frozen != frozen:
                self.intake.anomalies.freeze(frozen)
            self._of_user, self._in_place = user, pane
            self._arrange()
            active.focus()
            console_of(self).settle()

        theirs = of_user(user_id)
        for rows in (feed, self.query_one(StoredTransactions)):
            rows.window.apply(theirs.text, theirs)
            rows.set_follow(True)
        self.zoom(None)
        self._of_user, self._in_place = user_id, ""
        self._arrange()
        feed.focus()
        console_of(self).settle()
        return restore

    def on_resize(self) -> None:
        """The size decides which panes are shown."""
        self._arrange()
        super().on_resize()

    def _arrange(self) -> None:
        lay_out(self)
        self.set_class(self._in_place == "why", "-why")
        self.set_class(self._in_place == "user", "-user")
        self.set_class(self._of_user is not None, "-drilled")
        self.call_after_refresh(self.redraw)

    @on(RowList.Opened)
    def action_open(self) -> None:
        """Open the detail of the row that the panes explain."""
        if self.subject is not None:
            self.app.push_screen(Detail(self.subject))

    def action_other_list(self) -> None:
        """Switch to the other list."""
        feed = self.query_one(Feed)
        beside = self.query_one(AnomalyFeed if self._of_user is None else StoredTransactions)
        other = beside if self.active is feed and (beside.region or self.has_class("-zoom")) else feed
        if self.has_class("-zoom"):
            self.zoom(other)
        other.focus()
        self.call_after_refresh(self.redraw)

    def action_anomaly(self, step: int) -> None:
        """Go to the previous or next anomaly, also in the feed if it still has it."""
        feed, anomalies = self.query_one(Feed), self.query_one(AnomalyFeed)
        if not len(anomalies.window):
            return
        if anomalies.follow:
            anomalies.move_to(len(anomalies.window) - 1)
        else:
            anomalies.move_by(step)
        if anomalies.region:
            anomalies.focus()
        if anomalies.selected is not None:
            feed.select(anomalies.selected.sequence)

    def action_toggle_why(self) -> None:
        """Show or hide the reasons, in place of the anomalies where there is no room beside them.

        A terminal too small for either opens the transaction, which has them too.
        """
        if self.has_class("-bare"):
            self.action_open()
            return
        self._in_place = "" if self._in_place == "why" else "why"
        self.zoom(None)
        self._arrange()

    def action_toggle_user(self) -> None:
        """Show or hide the profile of the user, in place of the anomalies where there is no room beside them.

        A terminal too small for either goes to the Users screen.
        """
        if self.has_class("-bare"):
            self.action_user_screen()
            return
        self._in_place = "" if self._in_place == "user" else "user"
        self.zoom(None)
        self._arrange()

    def action_back(self) -> None:
        """The first of these that applies.

        Close a pane, end the zoom or the sorting, go back to the screen that led here, remove the filter, follow again.
        """
        if self._in_place:
            self._in_place = ""
            self._arrange()
        elif not (self.put_back() or console_of(self).climb() or self.clear_filter() or self.active.follow):
            self.active.set_follow(True)
