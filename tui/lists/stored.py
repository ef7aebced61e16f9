"""Lists of stored transactions, read from PostgreSQL."""

from domain.verdict import ScoredTransaction
from tui import cells
from tui.lists import columns
from tui.lists.rowlist import RowList
from tui.lists.window import Window

MOST_ROWS = 200


class StoredTransactions(RowList):
    """Stored transactions of one user, newest last."""

    TITLE = "Stored"
    COLUMNS = columns.OF_ONE_USER

    def __init__(self, *, id: str) -> None:
        super().__init__(Window(MOST_ROWS), id=id)
        self._shown: tuple[ScoredTransaction, ...] | None = None

    def show_rows(self, rows: tuple[ScoredTransaction, ...]) -> None:
        """Show `rows`, given newest first as the store returns them. The cursor stays on its transaction."""
        if rows is self._shown or self.order is not None:
            return
        self._shown = rows
        at = self.selected
        self.window.buffer.clear()
        self.window.apply(self.window.filter_text, self.window.filter)
        self.window.buffer.extend(reversed(rows[:MOST_ROWS]))
        self.window.step(budget=1.0)
        if at is not None:
            # Stored rows are numbered back from the newest, so that a new row changes the number of every other.
            same = (row.sequence for row in rows if row.transaction.transaction_id == at.transaction.transaction_id)
            self.follow = not self.select(next(same, 0))
        self.refresh_rows()

    def count(self) -> str:
        """How many rows were read, and how many of them match the filter."""
        shown, held = len(self.window), len(self.window.buffer)
        stored = f"newest {cells.grouped(held)} in PostgreSQL" if held == MOST_ROWS else f"{held} in PostgreSQL"
        return stored if shown == held else f"{cells.grouped(shown)} of the {stored}"

    def motion(self) -> str:
        """Nothing: stored rows do not move."""
        return ""


class StoredAnomalies(StoredTransactions):
    """Stored anomalies of one user."""

    TITLE = "Anomalies"
    COLUMNS = columns.ANOMALIES_OF_ONE_USER
    HEADER = False
