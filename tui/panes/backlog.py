"""How far an engine is with what waited in Kafka when it started."""

from rich.style import Style
from rich.text import Text

from domain.engine import Backlog
from tui.themes import Palette
from tui.widgets.drawing import line

_BAR = 20
_LABEL = " catching up "


def backlog_line(backlog: Backlog, width: int, palette: Palette) -> Text:
    """A bar with what is done, then what is left, how fast and for how long."""
    share = 1.0 - backlog.left / backlog.total
    room = max(4, min(_BAR, width - len(_LABEL) - len(backlog.sentence) - 8))
    done = int(share * room)
    return line(
        (_LABEL, palette.warn),
        ("█" * done, palette.good),
        ("░" * (room - done), palette.dim),
        (f" {int(share * 100):2d} % ", palette.strong),
        (backlog.sentence, Style.null()),
        width=width,
    )
