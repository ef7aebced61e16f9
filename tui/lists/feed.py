"""The live feed: every transaction, newest last."""

from tui import cells
from tui.lists import columns
from tui.lists.rowlist import RowList


class Feed(RowList):
    """Every committed transaction that the filter lets through."""

    TITLE = "Feed"
    COLUMNS = columns.FEED

    def status(self) -> str:
        """How many rows are shown of how many held, and whether the list moves."""
        window = self.window
        shown, held = cells.grouped(len(window)), cells.grouped(window.of)
        count = f"{shown} of {held}" if window.filter_text else held
        if self.order is not None:
            return f"{count}  {self.order_status()}"
        if window.frozen:
            return f"{count}  frozen +{cells.grouped(window.pending)} pending"
        return f"{count}  ▼follow" if self.follow else count
