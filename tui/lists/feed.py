"""The live feed: every transaction, newest last."""

from tui import cells
from tui.lists import columns
from tui.lists.rowlist import RowList


class Feed(RowList):
    """Every committed transaction that matches the filter."""

    TITLE = "Feed"
    COLUMNS = columns.FEED

    def count(self) -> str:
        """How many rows there are, and how many of them match the filter."""
        total = cells.grouped(self.window.of)
        return f"{cells.grouped(len(self.window))} of {total}" if self.window.filter_text else total
