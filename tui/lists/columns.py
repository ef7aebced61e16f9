"""The columns of lists: which of them fit a width, and the text of each cell."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from rich.segment import Segment
from rich.style import Style

from domain.verdict import ScoredTransaction
from tui import cells
from tui.themes import Palette

ColumnName = str


@dataclass(frozen=True)
class Column:
    """A column of `least` to `most` cells. Where the width is short, the column with the highest `rank` goes first."""

    name: ColumnName
    least: int
    most: int
    rank: int
    right: bool = False
    title: str = ""

    @property
    def header(self) -> str:
        """The text above the column."""
        return self.title or self.name


FEED = (
    Column("time", 8, 12, 2),
    Column("user", 8, 14, 1),
    Column("amount", 10, 14, 0, right=True),
    Column("cur", 3, 3, 4),
    Column("merchant", 12, 26, 5),
    Column("cc", 2, 2, 6),
    Column("score", 5, 5, 3),
    Column("why", 8, 200, 7),
)
ANOMALIES = (
    Column("sev", 4, 4, 2),
    Column("time", 8, 11, 3),
    Column("user", 8, 14, 1),
    Column("amount", 10, 14, 0, right=True),
    Column("cur", 3, 3, 6),
    Column("merchant", 10, 26, 5),
    Column("cc", 2, 2, 7),
    Column("score", 5, 5, 4),
    Column("by", 8, 8, 9),
    Column("why", 9, 200, 8),
    Column("state", 7, 7, 2),
)
TRIAGE = (
    Column("severity", 6, 6, 2, title="  sev"),
    Column("time", 11, 11, 4),
    Column("user", 8, 14, 1),
    Column("amount", 10, 14, 0, right=True),
    Column("cur", 3, 3, 9),
    Column("merchant", 10, 26, 6),
    Column("cc", 2, 2, 7),
    Column("versus", 7, 7, 5, title="score"),
    Column("by", 8, 8, 10),
    Column("why", 8, 200, 8),
    Column("state", 7, 7, 3),
)
CASES = tuple(replace(column, least=11, most=18) if column.name == "user" else column for column in TRIAGE)
OF_ONE_USER = tuple(column for column in FEED if column.name != "user")
# Stored rows go back for days, so their time needs room for a date.
ANOMALIES_OF_ONE_USER = tuple(
    replace(column, most=12) if column.name == "time" else column for column in ANOMALIES if column.name != "user"
)
USERS = (
    Column("user", 8, 20, 0),
    Column("seen", 5, 7, 3, right=True),
    Column("flagged", 7, 7, 1, right=True),
    Column("last", 8, 11, 2),
    Column("mean", 9, 14, 4, right=True),
    Column("cur", 3, 3, 5),
    Column("thr", 3, 3, 6, right=True),
    Column("new", 6, 7, 7, right=True, title="learnt"),
)

_WHY_ROOM = 10
_GROWTH = (
    *("time", "merchant", "user", "amount", "sev", "severity", "cur", "cc", "score", "versus", "by", "state", "why"),
    *("last", "mean", "seen", "flagged", "thr", "new"),
)

Placed = tuple[tuple[Column, int], ...]


def place(columns: tuple[Column, ...], width: int) -> Placed:
    """The columns that fit into `width` cells with one cell between them, each with its width."""
    kept: list[Column] = []
    used = 0
    for column in sorted(columns, key=lambda column: column.rank):
        if used + column.least + bool(kept) > width:
            break
        used += column.least + bool(kept)
        kept.append(column)
    if not kept:
        return ((min(columns, key=lambda column: column.rank), width),) if width > 0 else ()
    widths = {column.name: column.least for column in kept}
    spare = width - used
    explained = any(column.name == "why" for column in kept)
    for column in sorted(kept, key=lambda column: _GROWTH.index(column.name)):
        room = spare if column.name in ("why", "time") or not explained else max(0, spare - _WHY_ROOM)
        grown = min(room, column.most - column.least)
        widths[column.name] += grown
        spare -= grown
    return tuple((column, widths[column.name]) for column in columns if column in kept)


def header(placed: Placed, sorted_by: ColumnName = "", mark: str = "") -> str:
    """The column names, aligned like their cells. `mark` follows the name of the column `sorted_by`."""
    names = []
    for column, width in placed:
        title = column.header
        if column.name != sorted_by:
            names.append(cells.fit(title, width, column.right) + " ")
        elif (column.right or len(title) >= width) and column is not placed[-1][0]:
            names.append(cells.fit(title, width, column.right) + mark)
        else:
            names.append(cells.fit(title[: width - 1] + mark, width, column.right) + " ")
    return "".join(names).rstrip()


@dataclass(frozen=True)
class RowStyle:
    """What drawing a cell needs besides its row. `alerts` is how many of the user the row stands for."""

    palette: Palette
    base: Style
    today: datetime | None
    alerts: int = 1


_Cell = Callable[[ScoredTransaction, int, RowStyle], tuple[str, Style]]


def _time(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    return cells.clock(row.transaction.timestamp, style.today, width), style.palette.dim


def _user(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    user = row.transaction.user_id
    if style.alerts == 1:
        return user, Style.null()
    count = f" ×{style.alerts}"
    return cells.fit(user, min(cells.width(user), width - len(count))) + count, style.palette.strong


def _amount(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    transaction = row.transaction
    ink = style.palette.strong if row.flagged else Style.null()
    return cells.money(transaction.amount, transaction.currency, width), ink


def _currency(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    return row.transaction.currency, style.palette.dim


def _merchant(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    merchant = row.transaction.merchant
    name = merchant.name or merchant.id
    if name and merchant.category and width >= len(name) + len(merchant.category) + 3:
        return f"{name} · {merchant.category}", Style.null()
    return name or merchant.category or "", Style.null()


def _country(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    return row.transaction.location.country or "", Style.null()


def _score(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    verdict = cells.headline(row)
    if verdict is None:
        return "    -", style.palette.dim
    value = "err" if verdict.status == "error" else cells.score(verdict.score)
    return f"{cells.mark(verdict)} {value}", style.palette.of(verdict)


def _severity(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    verdict = cells.headline(row)
    return (cells.SEVERITY_NAMES[verdict.severity] if verdict else "", style.palette.of(verdict))


def _marked_severity(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    verdict = cells.headline(row)
    if verdict is None:
        return "", style.palette.dim
    return f"{cells.mark(verdict)} {cells.SEVERITY_NAMES[verdict.severity]}", style.palette.of(verdict)


def _score_and_threshold(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    verdict = cells.headline(row)
    if verdict is None or verdict.status == "error":
        return "err" if verdict else "-", style.palette.dim
    versus = "≥" if verdict.score >= verdict.threshold else "<"
    return f"{cells.score(verdict.score)}{versus}{cells.score(verdict.threshold)}", style.palette.of(verdict)


def _state(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    if style.today is None:
        return "", style.palette.dim
    return cells.state(row, style.today), style.palette.state(row, style.today)


def _by(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    return cells.flagged_by(row), style.palette.dim


def _why(row: ScoredTransaction, width: int, style: RowStyle) -> tuple[str, Style]:
    verdict = cells.headline(row)
    if verdict is None or (verdict.status == "ok" and not verdict.flagged and verdict.score < 0.5):
        return "", Style.null()
    return cells.why(verdict, width), Style.null() if verdict.flagged else style.palette.dim


_CELLS: dict[ColumnName, _Cell] = {
    "time": _time,
    "user": _user,
    "amount": _amount,
    "cur": _currency,
    "merchant": _merchant,
    "cc": _country,
    "score": _score,
    "sev": _severity,
    "severity": _marked_severity,
    "versus": _score_and_threshold,
    "state": _state,
    "by": _by,
    "why": _why,
}


def segments(row: ScoredTransaction, placed: Placed, style: RowStyle) -> list[Segment]:
    """A row as segments, each with an explicit style."""
    drawn: list[Segment] = []
    for column, width in placed:
        text, ink = _CELLS[column.name](row, width, style)
        if drawn:
            drawn.append(Segment(" ", style.base))
        drawn.append(Segment(cells.fit(text, width, column.right), style.base + ink))
    return drawn
