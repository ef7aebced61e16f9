"""A window with a scrollable text, over the screen."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui import keymap
from tui.console import keys_of
from tui.themes import Palette
from tui.widgets.drawing import Line, line, palette_of, rule
from tui.widgets.reading import Reading, ReadingScreen


class Modal(ReadingScreen, ModalScreen[None]):
    """A window with a title and a text; Escape closes it."""

    TITLE = ""
    HINTS: ClassVar[tuple[tuple[str, str], ...]] = keymap.MODAL_HINTS
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
        """Redraw, since the text is cut to the width."""
        self.call_after_refresh(self._draw)

    def on_screen_resume(self) -> None:
        """Draw at once."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        palette, reading = palette_of(self), self.query_one(Reading)
        width = max(1, reading.size.width)
        self.draw_title(width, palette)
        reading.show(self.lines(width, palette))

    def draw_title(self, width: int, palette: Palette) -> None:
        """Draw the title, with the most used keys."""
        own = (binding for binding in self.BINDINGS if isinstance(binding, Binding))
        hints = keys_of(self).hint_text(self.HINTS, (*own, *keymap.MODAL))
        title = rule(self.TITLE or "", hints, width, palette, focused=True)
        self.query_one("#modal-title", Line).show(line(*title, width=width))

    def action_close(self) -> None:
        """Close the window."""
        self.dismiss()
