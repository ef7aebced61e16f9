"""Progress through the open alerts, in one line."""

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from tui import cells
from tui.themes import Palette
from tui.widgets.drawing import line

_BAR = 20


def progress_line(
    done: int, left: int | None, per_minute: float, width: int, palette: Palette, *, budget: Sequence[str] = ()
) -> Text:
    """Alerts decided on here, those still open, and decisions a minute. `left` None is not counted yet.

    `budget` is what the budget of alerts holds back, in words: the first of these that there is room for.
    """
    known = left is not None and done + left > 0
    share = done / (done + (left or 0)) if known else 0.0
    counts = (
        f" {cells.grouped(done)} done  {'-' if left is None else cells.grouped(left)} left   {per_minute:.1f} a minute"
    )
    held = next((f"   {words}" for words in budget if words and len(counts) + 3 + len(words) <= width), "")
    # The text says everything; the bar takes what room there is.
    bar = cells.bar(share, max(0, min(_BAR, width - len(counts) - len(held))))
    return line(
        (f" {cells.grouped(done)}", palette.strong),
        (" done ", palette.dim),
        (bar.replace(" ", "░"), palette.bar),
        (f" {'-' if left is None else cells.grouped(left)}", palette.strong),
        (" left", palette.dim),
        (f"   {per_minute:.1f}", Style.null()),
        (" a minute", palette.dim),
        (held, palette.dim),
        width=width,
    )
