"""The Logs screen: the engine's newest log lines."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import BindingType
from textual.widget import Widget

from domain.engine import LogLine
from tui import cells, keymap
from tui.console import console_of
from tui.screens.base import ConsoleScreen
from tui.themes import Palette
from tui.widgets.drawing import line, palette_of
from tui.widgets.reading import Reading, ReadingScreen

_LINES = 500


def log_line(entry: LogLine, width: int, palette: Palette) -> Text:
    """One log event in one line."""
    level = entry.level.lower()
    inks = {"critical": palette.bad, "error": palette.bad, "warning": palette.warn, "info": palette.good}
    return line(
        (f" {entry.at:%H:%M:%S} ", palette.dim),
        (cells.fit(level, 8), inks.get(level, palette.dim)),
        (f" {cells.fit(entry.source, 12)} ", palette.dim),
        (entry.message, Style.null()),
        width=width,
    )


class LogsScreen(ReadingScreen, ConsoleScreen):
    """Log lines, newest last. Scrolling up holds them still, reaching the end follows again."""

    NAME = "Logs"
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.READING]

    def __init__(self) -> None:
        super().__init__()
        self._entries: tuple[LogLine, ...] = ()

    def body(self) -> Iterable[Widget]:
        """The log as one text."""
        yield Reading(id="logs-text", tail=True)

    def draw_body(self, now: datetime) -> None:
        """Draw the newest lines while following, else the same lines as before."""
        reading, palette = self.query_one(Reading), palette_of(self)
        if reading.following:
            self._entries = console_of(self).port.logs(_LINES)
        width = reading.size.width
        lines = [log_line(entry, width, palette) for entry in self._entries]
        reading.show(lines or [line((" no log lines yet", palette.dim), width=width)])
