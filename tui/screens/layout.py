"""Which panes a screen shows at which size."""

from typing import Literal

Layout = Literal["bare", "compact", "full"]


def layout_of(width: int, height: int) -> Layout:
    """`bare` shows the list alone, `compact` the lists or one pane in their place, `full` everything side by side."""
    if width < 60 or height < 16:
        return "bare"
    return "full" if width >= 120 and height >= 36 else "compact"
