"""The question before an action that cannot be undone."""

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType

from tui import keymap
from tui.console import keys_of
from tui.modals.modal import Modal
from tui.themes import Palette
from tui.widgets.drawing import line


class Confirm(Modal):
    """`question`, with a line about the consequence. `then` is called only after a yes."""

    TITLE = "Sure?"
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.CONFIRM]

    def __init__(self, question: str, consequence: str, then: Callable[[], object]) -> None:
        super().__init__()
        self._question = question
        self._consequence = consequence
        self._then = then

    def lines(self, width: int, palette: Palette) -> list[Text]:
        """The question, the consequence, and the keys that answer."""
        yes, no = map(keys_of(self).shown, keymap.CONFIRM)
        return [
            line((f" {self._question}", palette.strong), width=width),
            line((f" {self._consequence}", palette.dim), width=width),
            line(
                (f" {yes}", palette.title),
                (" yes   ", palette.dim),
                (no, palette.title),
                (" no", palette.dim),
                width=width,
            ),
        ]

    def action_accept(self) -> None:
        """Answer yes: close, and do it."""
        self.dismiss()
        self._then()
