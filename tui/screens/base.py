"""The frame of every screen: the status line, the tabs and the keys."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widget import Widget

from tui import keymap
from tui.console import console_of, keys_of
from tui.intake import Intake
from tui.keymap import READING_HINTS, SCREENS
from tui.panes.status import StatusLine, keys_line, tabs_line
from tui.widgets.drawing import Line, palette_of


class ConsoleScreen(Screen[None]):
    """A screen that is drawn at every tick while it is in front."""

    NAME: ClassVar[str] = ""
    HINTS: ClassVar[tuple[tuple[str, str], ...]] = READING_HINTS

    _frame: tuple[object, ...] = ()

    @property
    def intake(self) -> Intake:
        """What the console pulled from the engine."""
        return console_of(self).intake

    @property
    def hints(self) -> tuple[tuple[str, str], ...]:
        """The most used keys, as they are now."""
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
        """Draw the screen as of `now`, except before it is composed and while it closes."""
        try:
            status = self.query_one(StatusLine)
        except NoMatches:
            return
        status.show_status(self.intake, now)
        frame = (self.hints, self.size.width, self.app.theme)
        if frame != self._frame:
            self._frame = frame
            self._draw_frame()
        self.draw_body(now)

    def _draw_frame(self) -> None:
        """Draw the tabs and the keys, which rarely change."""
        palette, keys = palette_of(self), keys_of(self)
        width = self.size.width
        tabs = dict(keys.hints(SCREENS.items(), keymap.APP))
        bindings = [binding for binding in self.BINDINGS if isinstance(binding, Binding)]
        hints = keys.hints(self.hints, (*bindings, *keymap.APP))
        self.query_one("#tabs", Line).show(tabs_line(tabs, self.NAME, width, palette))
        self.query_one("#keys", Line).show(keys_line(hints, width, palette))

    def draw_body(self, now: datetime) -> None:
        """Draw the body as of `now`."""
        raise NotImplementedError

    def on_resize(self) -> None:
        """Redraw at once, since lines are cut to the width."""
        self.call_after_refresh(self.redraw)

    def on_screen_resume(self) -> None:
        """Redraw before the next tick."""
        self.call_after_refresh(self.redraw)

    def redraw(self) -> None:
        """Draw as of this moment, if the screen is in front."""
        if self.is_mounted and self.is_current:
            self.draw(console_of(self).clock())
