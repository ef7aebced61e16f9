"""The anomaly feed: what any detector flagged, newest last."""

from tui import cells
from tui.lists import columns
from tui.lists.rowlist import RowList
from tui.lists.window import Window


class AnomalyFeed(RowList):
    """Flagged transactions, with their severity in words."""

    TITLE = "Anomalies"
    COLUMNS = columns.ANOMALIES
    HEADER = False

    def status(self) -> str:
        """How many there are."""
        window = self.window
        shown, held = cells.grouped(len(window)), cells.grouped(len(window.buffer))
        count = f"{shown} of {held}" if window.filter_text else held
        if self.order is not None:
            return f"{count}  {self.order_status()}"
        if window.frozen and window.pending:
            return f"{count}  +{cells.grouped(window.pending)} pending"
        return f"{count}  ▼follow" if self.follow else count


class TriageList(RowList):
    """Anomalies to decide on, with what was decided; `history` says how far back they go."""

    TITLE = "Anomalies"
    COLUMNS = columns.TRIAGE

    def __init__(self, window: Window, *, id: str) -> None:
        super().__init__(window, id=id)
        self.only_open = True
        self.history = ""

    def status(self) -> str:
        """How many there are, and what there is besides."""
        window = self.window
        held = cells.grouped(len(window.buffer))
        parts = [f"{cells.grouped(len(window))} of {held}" if len(window) != len(window.buffer) else held]
        if self.order is not None:
            return f"{parts[0]}  {self.order_status()}"
        if window.frozen:
            parts.append(f"frozen +{cells.grouped(window.pending)} pending")
        elif self.follow:
            parts.append("▼follow")
        return "  ".join([*parts, self.history] if self.history else parts)

    def _title(self) -> str:
        title = f"{self.TITLE}  {'open only' if self.only_open else 'all'}"
        return f"{title}  /{self.window.filter_text}" if self.window.filter_text else title
