"""The columns of the table `transactions` in the order in which they are written, and rows that are read."""

from typing import Any

import msgspec

from domain.transaction import COLUMNS, GROUPS, Transaction
from domain.verdict import DETECTORS, Reason, Verdict
from services.store.words import told

TRANSACTION_COLUMNS = (
    *("event_time" if column.name == "timestamp" else column.name for column in COLUMNS),
    "extra",
    "kafka_partition",
    "kafka_offset",
)
TRUTH_COLUMNS = ("anomalous", "anomaly_kind")
VERDICT_COLUMNS = ("score", "threshold", "flagged", "severity", "status", "first", "reasons", "error")
"""Those of each detector, with its name before them."""

KEY_COLUMNS = tuple(f"{detector}_{column}" for detector in DETECTORS for column in ("model", "threshold", "brief"))
"""What is known only when a row is stored: keys of words, and what those stand for, see services/store/words.py."""

STORED_COLUMNS = (
    *TRANSACTION_COLUMNS,
    *TRUTH_COLUMNS,
    *(f"{detector}_{column}" for detector in DETECTORS for column in VERDICT_COLUMNS if column != "threshold"),
    *KEY_COLUMNS,
)
"""What a batch writes of each row: all but `stored_at`."""

TRANSACTION = ", ".join(f"t.{column}" for column in TRANSACTION_COLUMNS)
"""A transaction `t` as SQL selects it, without what was said of it and what its producer knew."""


def transaction_of(row: Any) -> Transaction:
    """The transaction a `transactions` row holds."""
    fields: dict[str, Any] = {group: {} for group in GROUPS}
    for column, stored in zip(COLUMNS, TRANSACTION_COLUMNS, strict=False):
        group, _, name = column.path.rpartition(".")
        (fields[group] if group else fields)[name] = row[stored]
    fields["extra"] = msgspec.json.decode(row["extra"]) if row["extra"] else None
    return msgspec.convert(fields, Transaction)


def reasons_of(stored: Any) -> tuple[Reason, ...]:
    """The reasons that a row of the view `verdicts` has."""
    return msgspec.convert(stored, tuple[Reason, ...])


def columns_of(verdict: Verdict) -> tuple[tuple[Any, ...], str, str | None]:
    """The columns of a verdict as `VERDICT_COLUMNS` has them, its model's version and its brief reasons."""
    brief, first, whole = told(verdict)
    columns = (
        _billionth(verdict.score),
        _billionth(verdict.threshold),
        verdict.flagged,
        verdict.severity.rank or None,
        None if verdict.status == "ok" else verdict.status,
        first,
        whole,
        verdict.error,
    )
    return columns, verdict.model_version, brief


def _billionth(share: float) -> int:
    # What is no share, such as NaN, is left for PostgreSQL to refuse.
    return round(share * 1e9) if 0.0 <= share <= 1.0 else -1
