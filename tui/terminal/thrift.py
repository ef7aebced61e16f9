"""Terminal output with fewer bytes: a colour is set where it changes, not for every piece of text.

Rich writes the whole style before every piece of text and a reset behind it: 46 bytes around one blank cell. Most of
a moving feed is such pieces, and a slow link takes long for them.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_SGR = re.compile("\x1b\\[([0-9;]*)m")
_MOVES = re.compile("(?:\x1b\\[[0-9;?]*[A-Za-z]|[\r\n])*")
_INVISIBLE_ON_BLANKS = frozenset({"1", "2", "3"})


class _Ink(NamedTuple):
    """A style, as the SGR parameters that set it; empty for the terminal's default."""

    attributes: tuple[str, ...] = ()
    foreground: str = ""
    background: str = ""


_PLAIN = _Ink()


def thrifty(output: str) -> str:
    """The output of Rich, with the same look on a terminal, but no colour set twice.

    Each style in `output` must be complete: what it leaves out is the terminal's default. The result ends in the
    default style, as the output of Rich does.
    """
    if "\x1b[0m" not in output:
        return output
    pieces = _SGR.split(output)
    written = [pieces[0]]
    now = _PLAIN
    for index in range(1, len(pieces), 2):
        wanted = _parsed(pieces[index])
        text = pieces[index + 1]
        if not text:
            continue
        if wanted != now and not _looks_alike(text, now, wanted):
            written.append(_change(now, wanted))
            now = wanted
        written.append(text)
    if now != _PLAIN:
        written.append("\x1b[0m")
    return "".join(written)


@lru_cache(maxsize=1024)
def _parsed(parameters: str) -> _Ink:
    """The style that one SGR sequence sets, starting from the terminal's default."""
    attributes: list[str] = []
    foreground = background = ""
    fields = iter(parameters.split(";"))
    for field in fields:
        number = int(field or 0)
        if number == 0:
            attributes, foreground, background = [], "", ""
        elif number in (38, 48):
            depth = next(fields)
            color = ";".join((field, depth, *(next(fields) for _ in range(3 if depth == "2" else 1))))
            foreground, background = (color, background) if number == 38 else (foreground, color)
        elif 30 <= number <= 39 or 90 <= number <= 97:
            foreground = "" if number == 39 else field
        elif 40 <= number <= 49 or 100 <= number <= 107:
            background = "" if number == 49 else field
        else:
            attributes.append(field)
    return _Ink(tuple(attributes), foreground, background)


def _looks_alike(text: str, now: _Ink, wanted: _Ink) -> bool:
    """Whether `text` looks the same in both styles: it only moves the cursor, or is blank on the same background."""
    if text[0] == " ":
        return not text.strip(" ") and _same_paper(now, wanted)
    return text[0] in "\x1b\r\n" and _MOVES.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _same_paper(now: _Ink, wanted: _Ink) -> bool:
    drawn_on_blanks = {*now.attributes, *wanted.attributes} - _INVISIBLE_ON_BLANKS
    return now.background == wanted.background and not drawn_on_blanks


@lru_cache(maxsize=1024)
def _change(now: _Ink, wanted: _Ink) -> str:
    """The SGR sequence that changes one style into another."""
    if wanted == _PLAIN:
        return "\x1b[0m"
    fields: list[str] = []
    if now.attributes != wanted.attributes:
        fields += ["0", *wanted.attributes] if now.attributes else wanted.attributes
        now = _PLAIN if now.attributes else now
    if now.foreground != wanted.foreground:
        fields.append(wanted.foreground or "39")
    if now.background != wanted.background:
        fields.append(wanted.background or "49")
    return f"\x1b[{';'.join(fields)}m"
