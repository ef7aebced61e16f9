"""The Live screen: feed, anomalies, why, user and health together."""

import time
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from domain.filters import Filter
from domain.profile import ProfileView
from domain.verdict import ScoredTransaction
from tui import keymap
from tui.anomalies import Anomalies
from tui.feed import Feed
from tui.filterline import FilterLine
from tui.health import Health, health_lines, summary
from tui.layout import layout_of
from tui.panes import palette_of
from tui.profile import Profile, profile_lines
from tui.rowlist import RowList
from tui.screens.browsing import Browsing
from tui.screens.detail import Detail
from tui.screens.triaging import BulkTriaging
from tui.status import Line
from tui.why import Why, why_lines

_PROFILE_SECONDS = 1.0


class LiveScreen(BulkTriaging, Browsing):
    """What is happening now, and why the row under the cursor scored as it did.

    While the feed follows, the panes explain the newest anomaly: the newest row changes many times a
    second and nobody could read why it scored. The first move of the cursor makes them follow it instead.
    """

    NAME = "Live"
    HINTS = keymap.LIVE_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.LIVE]

    def __init__(self) -> None:
        super().__init__()
        self._layout = "compact"
        self._in_place = ""
        self._profile_user: str | None = None
        self._profile: ProfileView | None = None
        self._profile_problem = ""
        self._profile_asked = 0.0

    def body(self) -> Iterable[Widget]:
        """Lists at the left, panes at the right; the style sheet shows what the size has room for."""
        intake = self.intake
        yield Horizontal(
            Vertical(Feed(intake.feed, id="feed"), Anomalies(intake.anomalies, id="anomalies"), id="lists"),
            Vertical(Why(id="why"), Profile(id="profile"), Health(id="health"), id="panes"),
            id="live",
        )
        yield Line(id="summary")
        yield FilterLine(id="filter")

    def on_mount(self) -> None:
        """The feed has the keys at first."""
        self.query_one(Feed).focus()

    @property
    def active(self) -> RowList:
        """The list that keys act on."""
        anomalies = self.query_one(Anomalies)
        return anomalies if self.focused is anomalies else self.query_one(Feed)

    @property
    def subject(self) -> ScoredTransaction | None:
        """The row that the panes explain."""
        feed, anomalies = self.query_one(Feed), self.query_one(Anomalies)
        return self.active.selected or anomalies.newest or feed.newest

    @property
    def to_decide(self) -> ScoredTransaction | None:
        """The row under the cursor, else the newest anomaly: the one that the why pane explains."""
        return self.active.selected or self.query_one(Anomalies).newest

    @property
    def to_match(self) -> Filter:
        """The filter of the list that has the keys."""
        return self.active.window.filter

    def draw_body(self, now: datetime) -> None:
        """Lists, then the panes that are visible."""
        feed, anomalies = self.query_one(Feed), self.query_one(Anomalies)
        feed.today = anomalies.today = now
        feed.notice = self._feed_notice()
        anomalies.notice = (
            "warming up: detectors learn from the first 1,000 transactions"
            if self.intake.warming
            else "no anomalies yet"
        )
        feed.refresh_rows()
        anomalies.refresh_rows()
        palette = palette_of(self)
        self.query_one("#summary", Line).show(summary(self.intake.snapshot, self.size.width, palette))
        self._draw_panes(now)

    def _feed_notice(self) -> str:
        feed = self.intake.feed
        if len(feed.ring) and feed.filter_text:
            return "no transaction matches the filter"
        return "waiting for the first transaction..."

    def _draw_panes(self, now: datetime) -> None:
        palette = palette_of(self)
        why, profile, health = self.query_one(Why), self.query_one(Profile), self.query_one(Health)
        subject = self.subject
        if why.region:
            why.show(why_lines(subject, why.size.width, palette, followed=self.active.follow))
        if profile.region:
            user = subject.transaction.user_id if subject else None
            self._want_profile(user)
            known = self._profile if user == self._profile_user else None
            problem = self._profile_problem if user == self._profile_user else "loading..." if user else "no user yet"
            profile.show(profile_lines(user, known, problem, profile.size.width, palette))
        if health.region:
            health.show(health_lines(self.intake.snapshot, now, health.size.width, palette))

    def _want_profile(self, user: str | None) -> None:
        """Ask for the profile, once at a time, and again after a second for a user who stays in view."""
        fresh = user == self._profile_user and time.monotonic() - self._profile_asked < _PROFILE_SECONDS
        busy = any(worker.group == "profile" and not worker.is_finished for worker in self.workers)
        if user is not None and not fresh and not busy:
            self.run_worker(self._load_profile(user), group="profile")

    async def _load_profile(self, user: str) -> None:
        self._profile_asked = time.monotonic()
        try:
            profile = await self.console_app.port.profile(user)
            problem = "never seen"
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            profile, problem = None, f"profile unavailable: {error or type(error).__name__}"
        self._profile_user, self._profile, self._profile_problem = user, profile, problem
        self.redraw()

    def on_resize(self) -> None:
        """Show the panes that the new size has room for."""
        self._arrange()
        super().on_resize()

    def _arrange(self) -> None:
        self._layout = layout_of(self.size.width, self.size.height)
        for name in ("bare", "compact", "full"):
            self.set_class(name == self._layout, f"-{name}")
        self.set_class(self._in_place == "why", "-why")
        self.set_class(self._in_place == "user", "-user")
        self.call_after_refresh(self.redraw)

    @on(RowList.Opened)
    def action_open(self) -> None:
        """The transaction under the cursor, with everything known of it."""
        if self.subject is not None:
            self.app.push_screen(Detail(self.subject))

    def action_other_list(self) -> None:
        """The keys go to the other list."""
        feed, anomalies = self.query_one(Feed), self.query_one(Anomalies)
        (anomalies if self.active is feed and anomalies.region else feed).focus()
        self.redraw()

    def action_anomaly(self, step: int) -> None:
        """The previous or next anomaly, in the feed as well where it is still held."""
        feed, anomalies = self.query_one(Feed), self.query_one(Anomalies)
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
        """The why pane, in place of the anomalies where there is no room beside them."""
        self._in_place = "" if self._in_place == "why" else "why"
        self._arrange()

    def action_toggle_user(self) -> None:
        """The user's profile, in place of the anomalies where there is no room beside them."""
        self._in_place = "" if self._in_place == "user" else "user"
        self._arrange()

    def action_back(self) -> None:
        """Close what is open, else clear the filter, else follow again."""
        if self._in_place:
            self._in_place = ""
            self._arrange()
        elif not self.clear_filter() and not self.active.follow:
            self.active.set_follow(True)
