"""The columns of the table `transactions`, in the order in which they are written and read."""

from domain.transaction import COLUMNS
from domain.verdict import DETECTORS

TRANSACTION_COLUMNS = (
    *("event_time" if column.name == "timestamp" else column.name for column in COLUMNS),
    "extra",
    "kafka_partition",
    "kafka_offset",
)
TRUTH_COLUMNS = ("anomalous", "anomaly_kind")
VERDICT_COLUMNS = ("score", "threshold", "flagged", "severity", "status", "first", "reasons", "error")
"""Those of each detector, with its name before them."""

KEY_COLUMNS = tuple(f"{detector}_{column}" for detector in DETECTORS for column in ("model", "brief"))
"""What is known only when a row is stored: keys of words, see services/store/words.py."""

STORED_COLUMNS = (
    *TRANSACTION_COLUMNS,
    *TRUTH_COLUMNS,
    *(f"{detector}_{column}" for detector in DETECTORS for column in VERDICT_COLUMNS),
    *KEY_COLUMNS,
)
"""What a batch writes of each row: all but `stored_at`."""

TRANSACTION = ", ".join(f"t.{column}" for column in TRANSACTION_COLUMNS)
"""A transaction `t` as SQL selects it, without what was said of it and what its producer knew."""
