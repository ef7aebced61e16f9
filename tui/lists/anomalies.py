"""Lists of anomalies: the feed of the newest ones, and the list for triage."""

from tui import cells
from tui.lists import columns
from tui.lists.rowlist import RowList
from tui.lists.window import Window


class AnomalyFeed(RowList):
    """Transactions that a detector flagged, newest last."""

    TITLE = "Anomalies"
    COLUMNS = columns.ANOMALIES
    HEADER = False

    def count(self) -> str:
        """How many anomalies there are, and how many of them match the filter."""
        total = cells.grouped(len(self.window.buffer))
        return f"{cells.grouped(len(self.window))} of {total}" if self.window.filter_text else total

    def motion(self) -> str:
        """The pending rows while it is frozen; the feed beside it says that both are."""
        if self.window.frozen and self.window.pending:
            return f"+{cells.grouped(self.window.pending)} pending"
        return "▼follow" if self.follow else ""


class TriageList(RowList):
    """Anomalies to decide on, with the decisions. `history` is a text about the older ones."""

    TITLE = "Anomalies"
    COLUMNS = columns.TRIAGE

    def __init__(self, window: Window, *, id: str) -> None:
        super().__init__(window, id=id)
        self.only_open = True
        self.history = ""

    def count(self) -> str:
        """How many anomalies there are, and how many of them are shown."""
        window = self.window
        total = cells.grouped(len(window.buffer))
        return f"{cells.grouped(len(window))} of {total}" if len(window) != len(window.buffer) else total

    def motion(self) -> str:
        """How the list moves, and where the older anomalies are."""
        return "  ".join(filter(None, (super().motion(), self.history)))

    def _title(self) -> str:
        title = f"{self.TITLE}  {'open only' if self.only_open else 'all'}"
        return f"{title}  /{self.window.filter_text}" if self.window.filter_text else title
