"""The mouse wheel, for widgets that draw their lines themselves."""

from textual import events
from textual.widget import Widget

LINES = 3


class Wheeled(Widget):
    """A widget that the mouse wheel scrolls."""

    def move_by(self, lines: int) -> None:
        """Move by lines, up when negative."""
        raise NotImplementedError

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move up."""
        event.stop()
        self.move_by(-LINES)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move down."""
        event.stop()
        self.move_by(LINES)
