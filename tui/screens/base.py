"""What every screen has: the status line, the screens that exist, and the keys."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from tui.intake import Intake
from tui.keymap import READING_HINTS, SCREENS
from tui.panes import palette_of
from tui.status import Line, StatusLine, keys_line, tabs_line

if TYPE_CHECKING:
    from tui.app import ConsoleApp


class ConsoleScreen(Screen[None]):
    """A screen that is drawn from the intake at every tick while it is in front."""

    NAME: ClassVar[str] = ""
    HINTS: ClassVar[tuple[tuple[str, str], ...]] = READING_HINTS

    @property
    def console_app(self) -> "ConsoleApp":
        """The application."""
        return cast("ConsoleApp", self.app)

    @property
    def intake(self) -> Intake:
        """What was pulled from the engine."""
        return self.console_app.intake

    @property
    def hints(self) -> tuple[tuple[str, str], ...]:
        """What the most used keys do now."""
        return self.HINTS

    def compose(self) -> ComposeResult:
        """Status and tabs above, keys below, the body between."""
        yield StatusLine(id="status")
        yield Line(id="tabs")
        yield from self.body()
        yield Line(id="keys")

    def body(self) -> Iterable[Widget]:
        """The widgets between tabs and keys."""
        raise NotImplementedError

    def draw(self, now: datetime) -> None:
        """Bring the screen up to date; before it is composed and while it closes there is nothing to draw."""
        if not self.query(StatusLine):
            return
        palette = palette_of(self)
        width = self.size.width
        self.query_one(StatusLine).show_status(self.intake, now)
        self.query_one("#tabs", Line).show(tabs_line(SCREENS, self.NAME, width, palette))
        self.query_one("#keys", Line).show(keys_line(self.hints, width, palette))
        self.draw_body(now)

    def draw_body(self, now: datetime) -> None:
        """Bring the body up to date."""
        raise NotImplementedError

    def on_resize(self) -> None:
        """Lines are cut to the width, so a new one is drawn at once."""
        self.call_after_refresh(self.redraw)

    def on_screen_resume(self) -> None:
        """Draw before the next tick."""
        self.call_after_refresh(self.redraw)

    def redraw(self) -> None:
        """Draw for this moment."""
        if self.is_mounted and self.is_current:
            self.draw(self.console_app.clock())
