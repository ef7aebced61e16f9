"""A window over a screen with one scrollable text in it."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui import keymap
from tui.keys import keys_of
from tui.panes import line, palette_of, rule
from tui.reading import Reading, ReadingScreen
from tui.status import Line
from tui.themes import Palette


class Modal(ReadingScreen, ModalScreen[None]):
    """Text over whatever was there; Escape closes it."""

    TITLE = ""
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.MODAL]

    def compose(self) -> ComposeResult:
        """A title above the text."""
        with Vertical(id="modal"):
            yield Line(id="modal-title")
            yield Reading(id="modal-text")

    def lines(self, width: int, palette: Palette) -> list[Text]:
        """The text in lines of `width` cells."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """The text has the keys."""
        self.query_one(Reading).focus()

    def on_resize(self) -> None:
        """The text is cut to the width."""
        self.call_after_refresh(self._draw)

    def on_screen_resume(self) -> None:
        """Draw at once."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        palette = palette_of(self)
        title, reading = self.query_one("#modal-title", Line), self.query_one(Reading)
        width = reading.size.width
        closing = keys_of(self).shown(keymap.MODAL[-1]).split()[0]
        title.show(line(*rule(self.TITLE or "", f"{closing} closes", width, palette, focused=True), width=width))
        reading.show(self.lines(max(1, width), palette))

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss()
