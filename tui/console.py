"""What screens and windows may ask of the console. They see this protocol, never the application that implements it."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.widget import Widget

from domain.triage import TriageStatus
from domain.verdict import ScoredTransaction
from services.console.port import ConsolePort
from tui.intake import Intake
from tui.keys import Keys
from tui.library import Library
from tui.pace import Pace

_Kept = TypeVar("_Kept")


class Decisions(Protocol):
    """Triage decisions, carried out in the order in which they are asked for."""

    def decide(
        self,
        row: ScoredTransaction,
        status: TriageStatus | None,
        until: datetime | None = None,
        note: str | None = None,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Decide on one transaction; without a status only its note changes. `failed` is called if it is not stored."""

    def decide_all(
        self,
        ids: Sequence[str],
        status: TriageStatus,
        until: datetime | None = None,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Decide on many transactions in one step. `failed` is called where that is not stored."""

    def undo(self, then: Callable[[tuple[str, ...]], None] | None = None) -> None:
        """Undo the user's last decision that is still in force, and call `then` with its transactions."""


class Console(Protocol):
    """The application, as its screens, windows and decisions see it."""

    port: ConsolePort
    intake: Intake
    keys: Keys
    library: Library
    pace: Pace
    show_truth: bool
    """Whether panes show ground truth. Triage cannot be practised with the answer beside the question."""
    wanted_user: str | None
    """The user to select on the Users screen when it is drawn next."""

    @property
    def decisions(self) -> Decisions:
        """The decisions of this console's user."""

    def clock(self) -> datetime:
        """The time on the wall: how old the engine's own news are is shown against it."""

    def stream_clock(self) -> datetime:
        """The stream's time, which event times, snoozes and `since:5m` are counted from."""

    def tick(self) -> None:
        """Pull from the engine and draw."""

    def settle(self) -> None:
        """Bring the windows on the feeds up to date and draw."""

    def leave(self) -> None:
        """End the console."""

    def show_user(self, user_id: str) -> None:
        """Go to the Users screen, on this user."""

    def show_transactions(self, user_id: str) -> None:
        """Go to the Live screen, on this user's transactions."""

    def climb(self) -> bool:
        """Go back to the screen that led to this one; False when this one was opened directly."""

    def keep(self, change: Callable[[], object]) -> None:
        """Change the library in the background."""

    async def kept(self, change: Callable[[], _Kept]) -> _Kept | None:
        """Change the library; None when it cannot be written, which a notification says."""

    def notify(self, message: str, *, severity: SeverityLevel = "information", timeout: float | None = None) -> None:
        """Show a message."""

    def clear_notifications(self) -> None:
        """Remove every message from the screen."""

    def push_screen(self, screen: Screen[None]) -> object:
        """Open a window."""

    def run_worker(self, work: Coroutine[Any, Any, None], *, group: str) -> object:
        """Run in the background, even when the screen that asked for it closes."""


def console_of(widget: Widget) -> Console:
    """The console that `widget` is part of."""
    return cast(Console, widget.app)


def keys_of(widget: Widget) -> Keys:
    """The keys in force where `widget` is shown."""
    return console_of(widget).keys
