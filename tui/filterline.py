"""The line in which a filter is typed, with its match count or its error below."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

from rich.style import Style
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from domain.filters import EVERYTHING, Filter, FilterError, parse
from tui import cells, keymap
from tui.panes import line, palette_of
from tui.rows import CHECK_CLOCK_EVERY, Ring
from tui.status import Line


class FilterLine(Vertical):
    """`/` and an input; Enter applies what parses, Escape leaves things as they were."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.FILTER]

    class Applied(Message):
        """A filter was accepted."""

        def __init__(self, text: str, filter: Filter) -> None:
            super().__init__()
            self.text = text
            self.filter = filter

    class Cancelled(Message):
        """The line was left without a change."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._ring = Ring(1)

    def compose(self) -> ComposeResult:
        """The input above its feedback."""
        with Horizontal(id="filter-row"):
            yield Line(id="filter-prompt")
            yield Input(id="filter-input", compact=True, select_on_focus=False)
        yield Line(id="filter-feedback")

    def open(self, text: str, ring: Ring) -> None:
        """Show the line with `text` in it; matches are counted in `ring`."""
        self._ring = ring
        self.display = True
        field = self.query_one(Input)
        palette = palette_of(self)
        self.query_one("#filter-prompt", Line).show(line(("/", palette.title), width=1))
        field.value = text
        field.cursor_position = len(text)
        # Not `field.focus()`, which comes after the keys that have arrived already.
        self.screen.set_focus(field)
        self._judge(text)

    def close(self) -> None:
        """Hide the line."""
        self.display = False

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.display:
            self._judge(event.value)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        accepted = self._judge(event.value)
        if accepted is not None:
            self.post_message(self.Applied(event.value.strip(), accepted))

    def action_cancel(self) -> None:
        """Leave without a change."""
        self.post_message(self.Cancelled())

    def _judge(self, text: str) -> Filter | None:
        """Parse what was typed and say how it stands; None when it does not parse."""
        palette = palette_of(self)
        try:
            parsed = parse(text) if text.strip() else EVERYTHING
        except FilterError as error:
            self.workers.cancel_group(self, "count")
            pointer = error.caret(text).splitlines()[-1]
            self._say(f" {pointer}", palette.bad)
            return None
        # A coroutine would be complained about when the next key cancels its worker before that has begun.
        counting: Callable[[], Awaitable[None]] = partial(self._count, parsed)
        self.run_worker(counting, group="count", exclusive=True)
        return parsed

    async def _count(self, filter: Filter) -> None:
        """Count the rows that match, without holding the loop for longer than a few rows take."""
        matching = 0
        ring = self._ring
        held = len(ring)
        evicted = ring.total - held
        for position in range(held):
            if position % CHECK_CLOCK_EVERY == 0:
                await asyncio.sleep(0)
            index = position + evicted - (ring.total - len(ring))
            if index >= 0 and filter.matches(ring[index]):
                matching += 1
        self._say(f" {cells.grouped(matching)} of {cells.grouped(held)} match", palette_of(self).dim)

    def _say(self, text: str, style: Style) -> None:
        feedback = self.query_one("#filter-feedback", Line)
        feedback.show(line((text, style), width=max(1, self.size.width)))
