"""Which panes a screen shows at which size."""

from typing import Any, Literal, get_args

from textual.screen import Screen

Layout = Literal["bare", "compact", "full"]


def layout_of(width: int, height: int) -> Layout:
    """`bare` shows the list alone, `compact` the lists or one pane in their place, `full` everything side by side."""
    if width < 60 or height < 16:
        return "bare"
    return "full" if width >= 120 and height >= 36 else "compact"


def lay_out(screen: Screen[Any]) -> None:
    """Give a screen the style class of the layout for its size: `-bare`, `-compact` or `-full`."""
    current = layout_of(screen.size.width, screen.size.height)
    for layout in get_args(Layout):
        screen.set_class(layout == current, f"-{layout}")
