"""Text that scrolls, and the actions that scroll it."""

from rich.text import Text
from textual.screen import Screen

from tui.widgets.wheel import Wheeled


class Reading(Wheeled, can_focus=True):
    """Lines of text that scroll. With `tail` the end stays in view until the user scrolls up."""

    def __init__(self, *, id: str, tail: bool = False) -> None:
        super().__init__(id=id)
        self.tail = tail
        self.following = tail
        self._lines: list[Text] = []
        self._offset = 0

    @property
    def last_offset(self) -> int:
        """The offset that shows the end."""
        return max(0, len(self._lines) - max(1, self.size.height))

    def show(self, lines: list[Text]) -> None:
        """Show these lines. Nothing is redrawn when they are the same as before."""
        same = len(lines) == len(self._lines) and all(
            old == new and old.spans == new.spans for old, new in zip(self._lines, lines, strict=True)
        )
        if not same:
            self._lines = lines
            self.refresh()

    def move_by(self, lines: int) -> None:
        """Scroll by lines. Scrolling up stops following the end, reaching the end follows it again."""
        self._place(min(self._offset, self.last_offset) + lines)

    def scroll_pages(self, pages: int) -> None:
        """Scroll by screenfuls."""
        self.move_by(pages * max(1, self.size.height - 1))

    def reveal(self, index: int) -> None:
        """Scroll as little as needed to show the line at `index`."""
        height = max(1, self.size.height)
        if not self._offset <= index < self._offset + height:
            self._place(index if index < self._offset else index - height + 1)

    def begin_with(self, index: int) -> None:
        """Scroll until the line at `index` is the first one in view, as far as there are lines below it."""
        self._place(index)

    def scroll_edge(self, end: bool) -> None:
        """Scroll to the top or to the end."""
        self._place(self.last_offset if end else 0)

    def _place(self, offset: int) -> None:
        self._offset = max(0, min(offset, self.last_offset))
        self.following = self.tail and self._offset == self.last_offset
        self.refresh()

    def render(self) -> Text:
        """The lines in view."""
        self._offset = self.last_offset if self.following else min(self._offset, self.last_offset)
        text = Text("\n", no_wrap=True, end="").join(self._lines[self._offset : self._offset + self.size.height])
        text.no_wrap = True
        return text


class ReadingScreen(Screen[None]):
    """A screen whose keys scroll its `Reading`."""

    def action_read(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(Reading).move_by(lines)

    def action_read_page(self, pages: int) -> None:
        """Scroll by screenfuls."""
        self.query_one(Reading).scroll_pages(pages)

    def action_read_edge(self, end: bool) -> None:
        """Scroll to the top or to the end."""
        self.query_one(Reading).scroll_edge(end)
