"""Views and recent filters: open one, save the filter in use as a view, rename or delete a view."""

from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from domain.filters import Filter, FilterError, parse
from tui import cells, keymap
from tui.console import console_of
from tui.library import MAX_NAME, Kept, Library
from tui.modals.modal import Modal
from tui.themes import Palette
from tui.widgets.drawing import Line, line, palette_of
from tui.widgets.field import Field
from tui.widgets.reading import Reading

_NAME = 18


class Entry(NamedTuple):
    """A filter that can be opened; `name` is empty for a recent filter."""

    name: str
    text: str


def entries(kept: Kept) -> list[Entry]:
    """Views by name, then recent filters, the newest first."""
    views = [Entry(name, kept.views[name]) for name in sorted(kept.views, key=str.casefold)]
    return views + [Entry("", text) for text in reversed(kept.recent)]


def entry_lines(listed: list[Entry], cursor: int, width: int, palette: Palette) -> tuple[list[Text], int]:
    """The entries under two headings, in lines of `width` cells, and the index of the line with the cursor."""
    lines: list[Text] = []
    at = 0
    for heading, named in (("Views", True), ("Recent filters", False)):
        lines.append(line((f" {heading}", palette.title), width=width))
        section = [(number, entry) for number, entry in enumerate(listed) if bool(entry.name) is named]
        if not section:
            none = "none yet: s names the filter in use" if named else "none yet"
            lines.append(line((f"   {none}", palette.dim), width=width))
        for number, entry in section:
            here = number == cursor
            if here:
                at = len(lines)
            base = palette.cursor if here else Style.null()
            name = f"{cells.fit(entry.name, _NAME)} " if named else ""
            shown = cells.fit(f" {name}{entry.text}", max(0, width - 2))
            lines.append(line(("▌" if here else " ", palette.title + base), (shown, base), width=width))
        lines.append(Text(""))
    return lines[:-1], at


class Views(Modal):
    """The window. `text` is the filter in use; `open` is called with the chosen filter."""

    TITLE = "Views"
    HINTS = keymap.VIEWS_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.VIEWS]

    def __init__(self, text: str, open: Callable[[str, Filter], None]) -> None:
        super().__init__()
        self._text = text
        self._open = open
        self._cursor = 0
        self._asking: Literal["", "save", "rename"] = ""
        self._certain = ""
        self._said = ""

    def compose(self) -> ComposeResult:
        """The list, a line for messages, and an input for a name."""
        with Vertical(id="modal"):
            yield Line(id="modal-title")
            yield Reading(id="modal-text")
            yield Line(id="views-said")
            with Horizontal(id="views-ask", classes="ask-row"):
                yield Field(id="views-name", compact=True, max_length=MAX_NAME)

    def on_mount(self) -> None:
        """Hide the input."""
        super().on_mount()
        self.query_one("#views-ask").display = False

    @property
    def _library(self) -> Library:
        return console_of(self).library

    @property
    def _chosen(self) -> Entry | None:
        listed = entries(self._library.kept)
        return listed[min(self._cursor, len(listed) - 1)] if listed else None

    def _draw(self) -> None:
        palette = palette_of(self)
        reading = self.query_one(Reading)
        width = max(1, reading.size.width)
        listed = entries(self._library.kept)
        self._cursor = max(0, min(self._cursor, len(listed) - 1))
        lines, at = entry_lines(listed, self._cursor, width, palette)
        self.draw_title(width, palette)
        self.query_one("#views-said", Line).show(line((self._said, palette.warn), width=width))
        reading.show(lines)
        # Show the heading above the first entry.
        reading.reveal(at if at > 1 else 0)

    def _say(self, text: str) -> None:
        self._said = f" {text}" if text else ""
        self._draw()

    def action_read(self, lines: int) -> None:
        """Move the cursor."""
        self._place(self._cursor + lines)

    def action_read_page(self, pages: int) -> None:
        """Move the cursor by screenfuls."""
        self._place(self._cursor + pages * max(1, self.query_one(Reading).size.height - 1))

    def action_read_edge(self, end: bool) -> None:
        """Go to the first or the last entry."""
        self._place(len(entries(self._library.kept)) if end else 0)

    def _place(self, cursor: int) -> None:
        self._cursor = cursor
        self._certain = ""
        self._say("")

    def action_open_view(self) -> None:
        """Close, and open the chosen filter."""
        chosen = self._chosen
        if chosen is None:
            return
        try:
            parsed = parse(chosen.text, console_of(self).stream_clock())
        except FilterError as error:
            self._say(f"{chosen.text}: {error.message}")
            return
        self.dismiss()
        self._open(chosen.text, parsed)

    def action_save_view(self) -> None:
        """Ask for a name for the filter in use."""
        if not self._text:
            self._say("No filter is in use: / types one.")
        else:
            self._ask("save", "", f"A name for {self._text}")

    def action_rename_view(self) -> None:
        """Ask for another name for the chosen view."""
        chosen = self._chosen
        if chosen is None or not chosen.name:
            self._say("Only a view has a name: s gives the filter in use one.")
        else:
            self._ask("rename", chosen.name, f"Another name for {chosen.name}")

    def action_delete_view(self) -> None:
        """Delete the chosen view, when the key is pressed a second time."""
        chosen = self._chosen
        if chosen is None or not chosen.name:
            self._say("Only a view can be deleted.")
        elif self._certain != chosen.name:
            self._certain = chosen.name
            self._say(f"Delete {chosen.name}? d again deletes it.")
        else:
            self._certain = ""
            self._change(lambda: self._library.delete_view(chosen.name), f"{chosen.name} is deleted.")

    def _ask(self, what: Literal["save", "rename"], name: str, question: str) -> None:
        self._asking = what
        self._certain = ""
        field = self.query_one(Field)
        self.query_one("#views-ask").display = True
        field.put(name)
        field.focus()
        self._say(f"{question}, then Enter:")

    @on(Input.Submitted)
    def _named(self, event: Input.Submitted) -> None:
        event.stop()
        name = " ".join(event.value.split())
        chosen, taken = self._chosen, name in self._library.kept.views
        if not name:
            self._say("A name has at least one letter.")
        elif self._asking == "rename" and chosen is not None and chosen.name == name:
            self._answered()
        elif taken and self._asking == "rename":
            self._say(f"There is a view {name} already: another name, then Enter:")
        elif taken and self._certain != name:
            self._certain = name
            self._say(f"There is a view {name} already: Enter again replaces it.")
        elif self._asking == "rename" and chosen is not None:
            self._answered()
            self._change(lambda: self._library.rename_view(chosen.name, name), f"{chosen.name} is now {name}.")
        else:
            self._answered()
            self._change(lambda: self._library.save_view(name, self._text), f"{name} is saved.")

    def _answered(self) -> None:
        self._asking = ""
        self._certain = ""
        self.query_one("#views-ask").display = False
        self.query_one(Reading).focus()
        self._say("")

    def _change(self, change: Callable[[], None], done: str) -> None:
        self.run_worker(self._changed(change, done), group="views")

    async def _changed(self, change: Callable[[], None], done: str) -> None:
        await console_of(self).kept(change)
        self._say(done)

    def action_close(self) -> None:
        """Close the input, or else the window."""
        if self._asking:
            self._answered()
        else:
            self.dismiss()
