"""Small windows that ask for a text or for one of a few options."""

import re
from datetime import timedelta
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from domain.sanitize import sanitize
from domain.triage import MAX_NOTE
from tui import keymap
from tui.console import keys_of
from tui.widgets.drawing import Line, TextPane, line, palette_of, rule
from tui.widgets.field import Field

_SPAN = re.compile(r"(\d{1,4}) *([hdw]?)", re.IGNORECASE)
_HOURS = {"h": 1, "d": 24, "w": 168}


def span_of(text: str) -> timedelta:
    """The span of time written as 12h, 30d or 2w; a bare number means days.

    Raises ValueError, with a message about what was expected.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError("expected a span such as 12h, 30d or 2w; 0 for none")
    return timedelta(hours=int(found[1]) * _HOURS[found[2].lower() or "d"])


class Question(ModalScreen[str]):
    """A window with a question as its title. The answer is None when the user presses Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.PROMPT]

    def __init__(self, title: str) -> None:
        super().__init__()
        self.asked = title

    def on_mount(self) -> None:
        """Draw once the width is known."""
        self.call_after_refresh(self.draw)

    def on_resize(self) -> None:
        """Redraw, since lines are cut to the width."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Draw the title and what is below, except before the window is composed and while it closes."""
        if not self.query("#prompt-title"):
            return
        title = self.query_one("#prompt-title", Line)
        width = title.size.width
        leaving = f"{keys_of(self).shown(keymap.PROMPT[0])} leaves"
        title.show(line(*rule(self.asked, leaving, width, palette_of(self), focused=True), width=width))
        self.draw_below()

    def draw_below(self) -> None:
        """Draw what is below the title."""
        raise NotImplementedError

    def ask(self, title: str) -> None:
        """Replace the question."""
        self.asked = title
        self.draw()

    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


class Prompt(Question):
    """Asks for a text, with `offered` as a default; Enter accepts it."""

    MAX_LENGTH: ClassVar[int] = MAX_NOTE
    HINT: ClassVar[str] = ""

    def __init__(self, title: str, offered: str = "") -> None:
        super().__init__(title)
        self._offered = offered

    def compose(self) -> ComposeResult:
        """The input between title and hint."""
        with Vertical(id="prompt"):
            yield Line(id="prompt-title")
            yield Field(sanitize(self._offered), id="prompt-input", compact=True, max_length=self.MAX_LENGTH)
            yield Line(id="prompt-hint")

    def draw_below(self) -> None:
        """Draw a hint about Enter."""
        self._hint(f" {self.HINT}", wrong=False)

    def _hint(self, text: str, *, wrong: bool) -> None:
        hint, palette = self.query_one("#prompt-hint", Line), palette_of(self)
        hint.show(line((text, palette.bad if wrong else palette.dim), width=hint.size.width))

    def check(self, text: str) -> None:
        """Raises ValueError for an invalid answer."""

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            self.check(event.value)
        except ValueError as error:
            self._hint(f" {error}", wrong=True)
        else:
            self.dismiss(event.value.strip())


class NotePrompt(Prompt):
    """Asks for the note of a transaction."""

    HINT = "Enter keeps it; an empty note removes it"


class LeniencyPrompt(Prompt):
    """Asks how long the detectors shall be lenient after a false positive."""

    MAX_LENGTH = 10
    HINT = "Enter accepts, for the next ones too (12h, 30d, 2w; 0: not lenient)"

    def check(self, text: str) -> None:
        """Raises ValueError for a text that is no span."""
        span_of(text)


class Choice(Question):
    """Asks for one of a few options, each with its key."""

    OPTIONS: ClassVar[tuple[Binding, ...]] = ()

    def compose(self) -> ComposeResult:
        """The options below the title."""
        with Vertical(id="prompt"):
            yield Line(id="prompt-title")
            options = TextPane(id="prompt-options")
            options.styles.height = len(self.OPTIONS)
            yield options

    def draw_below(self) -> None:
        """Draw the options."""
        options, palette = self.query_one("#prompt-options", TextPane), palette_of(self)
        options.show(
            [
                line(
                    (f"   {keys_of(self).shown(option):<9}", palette.strong),
                    option.description,
                    width=options.size.width,
                )
                for option in self.OPTIONS
            ]
        )

    def action_choose(self, answer: str) -> None:
        """Answer with this option."""
        self.dismiss(answer)


class StatusChoice(Choice):
    """Asks for the status of many anomalies. It accepts an answer once they are `counted`.

    It opens before that, so that a key pressed while the database counts does not decide on a single row.
    """

    OPTIONS = keymap.STATUSES
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.STATUSES]

    def __init__(self) -> None:
        super().__init__("counting what matches...")
        self._ready = False

    def counted(self, which: str) -> None:
        """Ask about these anomalies."""
        self._ready = True
        self.ask(which)

    def action_choose(self, answer: str) -> None:
        """Answer with this option, once the anomalies are counted."""
        if self._ready:
            super().action_choose(answer)


class SnoozeChoice(Choice):
    """Asks how long to snooze."""

    OPTIONS = keymap.SNOOZES
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.SNOOZES]
