"""How far an engine is with what waited in Kafka when it started."""

from rich.style import Style
from rich.text import Text

from domain.engine import Backlog, History
from tui.themes import Palette
from tui.widgets.drawing import line

_BAR = 20


def backlog_line(backlog: Backlog, width: int, palette: Palette) -> Text:
    """A bar with what is done, then what is left, how fast and for how long."""
    return _bar(" catching up ", 1.0 - backlog.left / backlog.total, backlog.sentence, width, palette)


def history_line(history: History, width: int, palette: Palette) -> Text:
    """A bar with what is stored of simulated history, then how many transactions that are."""
    return _bar(" first start ", history.stored / history.total, history.sentence, width, palette)


def _bar(label: str, share: float, sentence: str, width: int, palette: Palette) -> Text:
    room = max(4, min(_BAR, width - len(label) - len(sentence) - 8))
    done = int(share * room)
    return line(
        (label, palette.warn),
        ("█" * done, palette.good),
        ("░" * (room - done), palette.dim),
        (f" {int(share * 100):2d} % ", palette.strong),
        (sentence, Style.null()),
        width=width,
    )
