"""Rows as a table in plain output: columns of fixed widths, so that rows that come later stand in line."""

import os
import shutil
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from domain.sanitize import sanitize
from domain.verdict import ScoredTransaction
from services.records import export
from services.store.search import UserTotals

Item = TypeVar("Item")
PIPE_WIDTH = 160
_WHOLE = 400
"""Cells of a column that takes all the room that the others leave."""
_SEVERITY_STYLES = {"critical": "bold red", "suspicious": "bold yellow", "unusual": "yellow", "error": "red"}


class TableColumn(NamedTuple, Generic[Item]):
    """A column of at least `least` and at most `most` cells; the higher its `rank`, the earlier it is left out."""

    name: str
    least: int
    most: int
    rank: int
    text: Callable[[Item], str]
    justify: JustifyMethod = "left"


def _merchant(row: ScoredTransaction) -> str:
    merchant = row.transaction.merchant
    return merchant.name or merchant.id or merchant.category or ""


def _said(row: ScoredTransaction) -> str:
    verdict = row.headline
    if verdict is None:
        return ""
    return verdict.severity.value if verdict.flagged else "" if verdict.status == "ok" else verdict.status


def _score(row: ScoredTransaction) -> str:
    return f"{row.headline.score:.2f}" if row.headline else ""


def _why(row: ScoredTransaction) -> str:
    return export.why(row.headline) if row.headline and row.headline.flagged else ""


TRANSACTIONS: tuple[TableColumn[ScoredTransaction], ...] = (
    TableColumn("time (UTC)", 19, 19, 2, lambda row: f"{row.transaction.timestamp:%Y-%m-%d %H:%M:%S}"),
    TableColumn("user", 8, 12, 1, lambda row: row.transaction.user_id),
    TableColumn("amount", 12, 14, 0, export.money, "right"),
    TableColumn("cur", 3, 3, 4, lambda row: row.transaction.currency),
    TableColumn("merchant", 10, 24, 5, _merchant),
    TableColumn("cc", 2, 2, 7, lambda row: row.transaction.location.country or ""),
    TableColumn("score", 5, 5, 3, _score, "right"),
    TableColumn("verdict", 10, 10, 6, _said),
    TableColumn("why", 16, _WHOLE, 8, _why),
)
USERS: tuple[TableColumn[UserTotals], ...] = (
    TableColumn("user", 8, 30, 0, lambda user: user.user_id),
    TableColumn("transactions", 12, 12, 1, lambda user: f"{user.transactions:,}", "right"),
    TableColumn("flagged", 8, 8, 2, lambda user: f"{user.flagged:,}", "right"),
    TableColumn("last seen (UTC)", 19, 19, 3, lambda user: f"{user.last_seen:%Y-%m-%d %H:%M:%S}"),
    TableColumn("total", 16, _WHOLE, 4, lambda user: totals(user)),
)


def totals(user: UserTotals) -> str:
    """What was spent, in each currency."""
    return ", ".join(f"{total:,f} {currency}" for currency, total in sorted(user.totals.items()))


def output_width() -> int:
    """The terminal's width; in a pipe what COLUMNS says, else wide."""
    return shutil.get_terminal_size((PIPE_WIDTH, 0)).columns


class Listing(Generic[Item]):
    """A table that is written piece by piece, `width` cells wide at most."""

    def __init__(self, columns: tuple[TableColumn[Item], ...], width: int) -> None:
        self._placed = placed(columns, width)
        self._console = Console(width=max(1, width))

    @property
    def head(self) -> str:
        """The names of the columns."""
        return self._drawn([[Text(column.name, style="bold") for column, _ in self._placed]])

    def lines(self, rows: Iterable[Item]) -> str:
        """The rows, a line each."""
        return self._drawn([[self._cell(column, row) for column, _ in self._placed] for row in rows])

    def _cell(self, column: TableColumn[Item], row: Item) -> Text:
        text = sanitize(column.text(row))
        return Text(text, style=_SEVERITY_STYLES.get(text, "") if column.name == "verdict" else "")

    def _drawn(self, lines: list[list[Text]]) -> str:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
        for column, width in self._placed:
            table.add_column(width=width, no_wrap=True, overflow="ellipsis", justify=column.justify)
        for line in lines:
            table.add_row(*line)
        with self._console.capture() as drawn:
            self._console.print(table)
        return os.linesep.join(line.rstrip() for line in drawn.get().splitlines()) + os.linesep if lines else ""


def placed(columns: tuple[TableColumn[Item], ...], width: int) -> list[tuple[TableColumn[Item], int]]:
    """The columns that fit `width` cells with one cell between them, and how wide each one is."""
    kept: list[TableColumn[Item]] = []
    room = width + 1
    for column in sorted(columns, key=lambda column: column.rank):
        if kept and column.least + 1 > room:
            break
        kept.append(column)
        room -= column.least + 1
    widths = {column.name: column.least for column in kept}
    for column in sorted(kept, key=lambda column: (column.most >= _WHOLE, -column.most)):
        grown = min(max(0, room), column.most - column.least)
        widths[column.name] += grown
        room -= grown
    return [(column, min(width, widths[column.name])) for column in columns if column in kept]
