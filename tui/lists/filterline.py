"""The line in which a filter is typed. Below it stand the number of matches or the error, and suggestions."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar

from rich.style import Style
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from domain.engine import LiveCount
from domain.filters import EVERYTHING, Filter, FilterError, Suggestion, complete, parse, values_seen
from services.errors import reason_of
from tui import cells, keymap
from tui.lists.buffer import RowBuffer
from tui.lists.window import CHECK_CLOCK_EVERY
from tui.widgets.drawing import Line, line, palette_of
from tui.widgets.field import Field

Counting = Callable[[Filter], Awaitable[LiveCount]]

_PROMPT = "/"
_LOOKED_THROUGH = 2_000
"""Newest rows whose values are suggested: as many as can be read without delaying the screen."""


def error_lines(error: FilterError, text: str, scrolled: int, width: int) -> tuple[str, str]:
    """Two lines below a filter with an error: a caret under the error, and the message.

    The message stands beside the caret where it fits, and the second line is empty then. `scrolled` is the number of
    cells of the filter that are out of sight at the left.
    """
    place = len(_PROMPT) + cells.width(text[: error.position]) - scrolled
    place = max(0, min(width - 1, place))
    message = error.message
    if place + 2 + cells.width(message) <= width:
        return f"{' ' * place}^ {message}", ""
    if cells.width(message) + 1 <= place:
        return f"{cells.fit(message, place - 1, right=True)} ^", ""
    return f"{' ' * place}^", message


class FilterInput(Field):
    """An input that posts `PastEnd` when the cursor is moved right at its end."""

    class PastEnd(Message):
        """The cursor was moved right, but it is at the end."""

    def action_cursor_right(self, select: bool = False) -> None:
        """Move right, or post `PastEnd`."""
        if self.cursor_at_end and not select:
            self.post_message(self.PastEnd())
        else:
            super().action_cursor_right(select)


class FilterLine(Vertical):
    """`/` and an input. Enter applies a valid filter, Escape closes the line without a change.

    Tab, or the right arrow at the end, accepts the marked suggestion. Up and down recall earlier filters.
    Times in a filter count back from `stream_clock`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.FILTER]

    class Applied(Message):
        """A valid filter was entered."""

        def __init__(self, text: str, filter: Filter) -> None:
            super().__init__()
            self.text = text
            self.filter = filter

    class Cancelled(Message):
        """The line was closed without a change."""

    def __init__(self, stream_clock: Callable[[], datetime], *, id: str) -> None:
        super().__init__(id=id)
        self._stream_clock = stream_clock
        self._buffer = RowBuffer(1)
        self._engine_count: Counting | None = None
        self._recent: Sequence[str] = ()
        self._recalled = 0
        self._draft = ""
        self._values: dict[str, tuple[str, ...]] = {}
        self._suggestions: tuple[Suggestion, ...] = ()
        self._marked = 0
        self._overflow = ""

    def compose(self) -> ComposeResult:
        """The input above its feedback and its suggestions."""
        with Horizontal(id="filter-row"):
            yield Line(id="filter-prompt")
            yield FilterInput(id="filter-input", compact=True, select_on_focus=False)
        yield Line(id="filter-feedback")
        yield Line(id="filter-suggestions")

    def on_mount(self) -> None:
        """Suggest again when the cursor moves."""
        self.watch(self.query_one(FilterInput), "selection", self._suggest, init=False)

    def open(self, text: str, buffer: RowBuffer, recent: Sequence[str] = (), count: Counting | None = None) -> None:
        """Show the line with `text` in it; `recent` filters are newest last.

        Matches are counted in `buffer`, or by the engine with `count` where the buffer has only a part of the rows.
        """
        self._buffer = buffer
        self._engine_count = count
        self._recent = recent
        self._recalled = len(recent)
        self._draft = text
        self._values = {}
        self.display = True
        palette = palette_of(self)
        self.query_one("#filter-prompt", Line).show(line((_PROMPT, palette.title), width=1))
        field = self.query_one(FilterInput)
        field.put(text)
        # Not `focus()`, which comes after the keys that have arrived already.
        self.screen.set_focus(field)
        self._judge(text)
        self._suggest()

    def close(self) -> None:
        """Hide the line."""
        self.display = False

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.display:
            self._judge(event.value)
            self._suggest()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        accepted = self._judge(event.value)
        if accepted is not None:
            self.post_message(self.Applied(event.value.strip(), accepted))

    @on(FilterInput.PastEnd)
    def action_complete(self) -> None:
        """Accept the marked suggestion."""
        if self._suggestions:
            field = self.query_one(FilterInput)
            field.put(*self._suggestions[self._marked].accepted(field.value))

    def action_suggest(self, step: int) -> None:
        """Mark the next or previous suggestion."""
        if self._suggestions:
            self._marked = (self._marked + step) % len(self._suggestions)
            self._show_suggestions()

    def action_recall(self, step: int) -> None:
        """Recall the earlier or later filter; after the last one comes the typed text."""
        if self._recalled == len(self._recent):
            self._draft = self.query_one(FilterInput).value
        self._recalled = max(0, min(len(self._recent), self._recalled + step))
        text = self._recent[self._recalled] if self._recalled < len(self._recent) else self._draft
        self.query_one(FilterInput).put(text)

    def action_cancel(self) -> None:
        """Close without a change."""
        self.post_message(self.Cancelled())

    def _judge(self, text: str) -> Filter | None:
        """Parse the text, and show the number of matches or the error; None for an error."""
        palette = palette_of(self)
        try:
            parsed = parse(text, self._stream_clock()) if text.strip() else EVERYTHING
        except FilterError as error:
            self.workers.cancel_group(self, "count")
            scrolled = self.query_one(FilterInput).scroll_offset.x
            pointed, self._overflow = error_lines(error, text, scrolled, self._width)
            self._say(pointed, palette.bad)
            self._show_suggestions()
            return None
        if self._overflow:
            self._overflow = ""
            self._show_suggestions()
        # A coroutine that is cancelled before it starts would raise a warning.
        counting: Callable[[], Awaitable[None]] = partial(self._count, parsed)
        self.run_worker(counting, group="count", exclusive=True)
        return parsed

    async def _count(self, filter: Filter) -> None:
        """Count the matches, giving way to other work every few rows."""
        if self._engine_count is not None:
            await self._count_in_engine(self._engine_count, filter)
            return
        matching = 0
        buffer = self._buffer
        held = len(buffer)
        evicted = buffer.total - held
        for position in range(held):
            if position % CHECK_CLOCK_EVERY == 0:
                await asyncio.sleep(0)
            index = position + evicted - (buffer.total - len(buffer))
            if index >= 0 and filter.matches(buffer[index]):
                matching += 1
        self._say_count(matching, held)

    async def _count_in_engine(self, count: Counting, filter: Filter) -> None:
        try:
            counted = await count(filter)
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._say(f" not counted: {reason_of(error)}", palette_of(self).warn)
        else:
            self._say_count(counted.matches, counted.of)

    def _say_count(self, matching: int, held: int) -> None:
        self._say(f" {cells.grouped(matching)} of {cells.grouped(held)} match", palette_of(self).dim)

    def _suggest(self) -> None:
        if self.display:
            field = self.query_one(FilterInput)
            self._suggestions = complete(field.value, field.cursor_position, self._seen)
            self._marked = 0
            self._show_suggestions()

    @property
    def _width(self) -> int:
        """The width in cells; before the layout that of the screen, which the line spans."""
        return max(1, self.size.width or self.screen.size.width)

    def _seen(self, name: str) -> tuple[str, ...]:
        if name not in self._values:
            self._values[name] = values_seen(name, self._buffer.newest(_LOOKED_THROUGH))
        return self._values[name]

    def _show_suggestions(self) -> None:
        """Show the suggestions so that the marked one is in view, or the keys when there are none."""
        palette = palette_of(self)
        if self._overflow:
            parts = [(f" {self._overflow}", palette.bad)]
        elif self._suggestions:
            parts = [(" Tab", palette.dim)]
            first = max(0, self._marked - 2)
            for number, suggestion in enumerate(self._suggestions[first:], start=first):
                marked = number == self._marked
                parts += [("  ", palette.dim), (suggestion.word, palette.title if marked else palette.dim)]
        else:
            parts = [(" ↑ ↓ recent  ⏎ apply  Esc leave", palette.dim)]
        self.query_one("#filter-suggestions", Line).show(line(*parts, width=self._width))

    def _say(self, text: str, style: Style) -> None:
        feedback = self.query_one("#filter-feedback", Line)
        feedback.show(line((text, style), width=self._width))
