"""Sorting a list by a column. The sorted rows are those of one moment, and newer ones do not move them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from domain.triage import TriageStatus
from domain.verdict import ScoredTransaction, urgency
from tui import cells

_Key = Callable[[ScoredTransaction], Any]


def _merchant(row: ScoredTransaction) -> str | None:
    merchant = row.transaction.merchant
    name = merchant.name or merchant.id or merchant.category
    return name.casefold() if name else None


def _score(row: ScoredTransaction) -> float | None:
    return None if row.headline is None else row.headline.score


def _severity(row: ScoredTransaction) -> tuple[int, float] | None:
    return None if row.headline is None else (row.headline.severity.rank, row.headline.score)


def worth(row: ScoredTransaction) -> tuple[int, datetime, str]:
    """How much an alert is worth looking at: by severity, then score as it is shown; of equals the newest most."""
    verdict = row.headline
    urgent = -1 if verdict is None else urgency(verdict.score)
    return urgent, row.transaction.timestamp, row.transaction.transaction_id


def _why(row: ScoredTransaction) -> str | None:
    verdict = row.headline
    return cells.why(verdict, 0) if verdict is not None and verdict.flagged else None


def _state(row: ScoredTransaction) -> int | None:
    """The rank of the triage status, open first; None for a row that needs no decision."""
    if row.triage is not None:
        return _STATES.index(row.triage.status)
    return 0 if row.flagged else None


_STATES = tuple(TriageStatus)
_KEYS: dict[str, _Key] = {
    "time": lambda row: row.transaction.timestamp,
    "user": lambda row: row.transaction.user_id.casefold(),
    "amount": lambda row: row.transaction.amount,
    "cur": lambda row: row.transaction.currency,
    "merchant": _merchant,
    "cc": lambda row: row.transaction.location.country,
    "score": _score,
    "versus": _score,
    "sev": _severity,
    "severity": _severity,
    "state": _state,
    "by": lambda row: cells.flagged_by(row) or None,
    "why": _why,
    "worth": worth,
}
_LARGEST_FIRST = frozenset({"worth", "time", "amount", "score", "versus", "sev", "severity"})


class Order:
    """Rows sorted by `column`. Rows without a value in it come last in either direction.

    Amounts are compared as numbers, whatever their currency. `newest` is the highest sequence among the rows.
    """

    def __init__(self, rows: Sequence[ScoredTransaction], column: str, descending: bool) -> None:
        key = _KEYS[column]
        keyed = [(key(row), row) for row in rows]
        valued = [pair for pair in keyed if pair[0] is not None]
        valued.sort(key=lambda pair: pair[0], reverse=descending)
        self.column = column
        self.descending = descending
        self.newest = max((row.sequence for row in rows), default=0)
        self._rows = [row for _, row in valued] + [row for value, row in keyed if value is None]
        self._places = {row.sequence: place for place, row in enumerate(self._rows)}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> ScoredTransaction:
        return self._rows[index]

    def index(self, sequence: int) -> int:
        """The index of the row with this sequence; `len(self)` when there is none."""
        return self._places.get(sequence, len(self._rows))

    def all(self) -> list[ScoredTransaction]:
        """The rows, in order."""
        return list(self._rows)

    @property
    def mark(self) -> str:
        """The direction, in one cell."""
        return "▼" if self.descending else "▲"


def starts_descending(column: str) -> bool:
    """Whether a column is first sorted with its largest value at the top."""
    return column in _LARGEST_FIRST
