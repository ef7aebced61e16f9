"""Drawing with text: rules, lines, columns of lines, and widgets that redraw only when their text changes."""

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from tui import cells
from tui.themes import Palette, palette

_palettes: dict[tuple[str, bool], Palette] = {}


def palette_of(widget: Widget) -> Palette:
    """The styles of the current theme, without colour where NO_COLOR is set."""
    theme, colored = widget.app.current_theme, not widget.app.no_color
    found = _palettes.get((theme.name, colored))
    if found is None:
        found = _palettes[theme.name, colored] = palette(theme, colored=colored)
    return found


def rule(
    title: str, status: str, width: int, palette: Palette, *, focused: bool = False, alarm: bool = False
) -> list[tuple[str, Style]]:
    """A horizontal rule of `width` cells with a title at its left and a status at its right."""
    if width < 6:
        return [("─" * max(0, width), palette.dim)]
    left = cells.fit(title, min(cells.width(title), width - 4))
    room = width - cells.width(left) - 4
    right = cells.fit(status, min(cells.width(status), max(0, room - 4))) if status and room > 6 else ""
    ink = palette.title if focused else palette.dim
    parts = [("━ " if focused else "─ ", ink), (left, palette.title if not alarm else palette.bad)]
    fill = width - 3 - cells.width(left) - (cells.width(right) + 3 if right else 0)
    parts.append((" " + ("━" if focused else "─") * fill, ink))
    if right:
        parts += [(f" {right} ", palette.bad if alarm else palette.dim), ("━" if focused else "─", ink)]
    return parts


def line(*parts: tuple[str, Style] | str, width: int) -> Text:
    """One line of styled parts, sanitised and cropped to `width` cells."""
    text = Text(no_wrap=True, end="")
    room = width
    for part in parts:
        words, style = (part, Style.null()) if isinstance(part, str) else part
        if room <= 0:
            break
        shown = cells.fit(words, min(cells.width(words), room))
        room -= cells.width(shown)
        text.append(shown, style)
    return text


def beside(blocks: list[list[Text]], width: int) -> list[Text]:
    """Blocks of lines side by side. Each block is `width` cells wide, except the last one."""
    joined = []
    for index in range(max(map(len, blocks), default=0)):
        whole = Text(no_wrap=True, end="")
        for number, block in enumerate(blocks):
            part = block[index].copy() if index < len(block) else Text("")
            if number < len(blocks) - 1:
                part.pad_right(max(0, width - part.cell_len))
            whole.append_text(part)
        joined.append(whole)
    return joined


class TextPane(Widget):
    """A pane of lines, cut at its height."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._text = Text()

    def show(self, lines: list[Text]) -> None:
        """Show these lines. Nothing is redrawn when they are the same as before."""
        text = Text("\n", no_wrap=True, end="").join(lines[: max(1, self.size.height)])
        text.no_wrap = True
        if text != self._text or text.spans != self._text.spans:
            self._text = text
            self.refresh()

    def render(self) -> Text:
        """The lines."""
        return self._text


class Line(Widget):
    """One line of text."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._line = Text()

    def show(self, line: Text) -> None:
        """Show this line."""
        if line != self._line or line.spans != self._line.spans:
            self._line = line
            self.refresh()

    def render(self) -> Text:
        """The line."""
        return self._line
