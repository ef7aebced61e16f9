"""What is left out of the terminal's input changes nothing on the terminal."""

import re
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.terminal.thrift import thrifty

_TOKEN = re.compile("\x1b\\[([0-9;?]*)([A-Za-z])|([^\x1b])", re.DOTALL)


@dataclass
class Screen:
    """What a terminal would show: every character with its style, and every other sequence."""

    attributes: set[str] = field(default_factory=set)
    foreground: str = ""
    background: str = ""
    cells: list[tuple[object, ...]] = field(default_factory=list)

    def write(self, output: str) -> "Screen":
        """Interpret it."""
        assert "".join(match.group() for match in _TOKEN.finditer(output)) == output
        for match in _TOKEN.finditer(output):
            parameters, final, character = match.groups()
            if final == "m":
                self._style(parameters.split(";"))
            elif final:
                self.cells.append(("sequence", match.group()))
            elif character in "\r\n":
                self.cells.append(("line", character))
            else:
                self.cells.append((character, *self._seen(character)))
        return self

    def _seen(self, character: str) -> tuple[object, ...]:
        if character == " " and not self.attributes - {"1", "2", "3"}:
            return ("", self.background)
        return (frozenset(self.attributes), self.foreground, self.background)

    def _style(self, fields: list[str]) -> None:
        while fields:
            name = fields.pop(0)
            if name in ("", "0"):
                self.attributes, self.foreground, self.background = set(), "", ""
            elif name in ("38", "48"):
                count = 4 if fields[0] == "2" else 2
                color = ";".join(fields[:count])
                del fields[:count]
                if name == "38":
                    self.foreground = color
                else:
                    self.background = color
            elif 30 <= int(name) <= 39 or 90 <= int(name) <= 97:
                self.foreground = "" if name == "39" else name
            elif 40 <= int(name) <= 49 or 100 <= int(name) <= 107:
                self.background = "" if name == "49" else name
            else:
                self.attributes.add(name)


colors = st.sampled_from([None, "red", "bright_blue", "color(77)", "#10141a", "#d8dee6", "default"])
styles = st.builds(
    Style,
    color=colors,
    bgcolor=colors,
    bold=st.sampled_from([None, True]),
    dim=st.sampled_from([None, True]),
    underline=st.sampled_from([None, True]),
    reverse=st.sampled_from([None, True]),
)
segments = st.builds(Segment, st.sampled_from(["", " ", "    ", "u-0042", " a ", "▌", "日本"]), styles)
moves = st.sampled_from(["\x1b[3;1H", "\r\n", "\r\n\x1b[12;40H", "\x1b[?2026h", "\x1b[24;80Hplain"])
pieces = st.lists(st.one_of(segments, moves), max_size=30)
systems = st.sampled_from([ColorSystem.STANDARD, ColorSystem.EIGHT_BIT, ColorSystem.TRUECOLOR])


def rendered(parts: list[Segment | str], system: ColorSystem) -> str:
    return "".join(
        part if isinstance(part, str) else Strip.render_style(part.style, part.text, color_system=system)
        for part in parts
    )


@given(pieces, systems)
def test_it_looks_the_same_and_ends_plain(parts, system) -> None:
    output = rendered(parts, system)
    fewer = thrifty(output)
    before, after = Screen().write(output), Screen().write(fewer)
    assert after.cells == before.cells
    assert (after.attributes, after.foreground, after.background) == (set(), "", "")
    assert len(fewer) <= len(output) + len("\x1b[0m")


def test_a_row_of_one_style_is_coloured_once() -> None:
    style = Style.parse("#d8dee6 on #10141a")
    output = rendered([Segment("u-0042", style), Segment(" ", style), Segment("12.00", style)], ColorSystem.TRUECOLOR)
    assert thrifty(output) == "\x1b[38;2;216;222;230;48;2;16;20;26mu-0042 12.00\x1b[0m"


def test_what_has_no_colours_is_passed_on() -> None:
    assert thrifty("\x1b[?1049h") == "\x1b[?1049h"
