"""The input for one line of text."""

from textual.widgets import Input

from domain.sanitize import sanitize


class Field(Input):
    """An input whose cursor stays lit: blinking would repaint twice a second while nobody types."""

    def on_mount(self) -> None:
        """Stop the cursor from blinking."""
        self.cursor_blink = False

    def put(self, text: str, cursor: int | None = None) -> None:
        """Replace the text, sanitised, and put the cursor at `cursor`, or at the end."""
        self.value = sanitize(text)
        self.cursor_position = len(self.value) if cursor is None else cursor
