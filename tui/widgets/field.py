"""An input for one line of text, as every question and the filter line have it."""

from textual.widgets import Input

from domain.sanitize import sanitize


class Field(Input):
    """An input whose cursor stays lit: blinking would repaint twice a second while nobody types."""

    def on_mount(self) -> None:
        """The cursor stays lit."""
        self.cursor_blink = False

    def put(self, text: str, cursor: int | None = None) -> None:
        """Have this text in it, of which only what may be drawn, and the cursor at `cursor` or behind it."""
        self.value = sanitize(text)
        self.cursor_position = len(self.value) if cursor is None else cursor
