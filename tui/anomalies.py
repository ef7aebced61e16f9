"""The anomaly feed: what any detector flagged, newest last."""

from tui import cells, columns
from tui.rowlist import RowList


class Anomalies(RowList):
    """Flagged transactions, with their severity in words."""

    TITLE = "Anomalies"
    COLUMNS = columns.ANOMALIES
    HEADER = False

    def status(self) -> str:
        """How many there are."""
        window = self.window
        shown, held = cells.grouped(len(window)), cells.grouped(len(window.ring))
        count = f"{shown} of {held}" if window.filter_text else held
        if self.order is not None:
            return f"{count}  {self.order_status()}"
        if window.frozen and window.pending:
            return f"{count}  +{cells.grouped(window.pending)} pending"
        return f"{count}  ▼follow" if self.follow else count
