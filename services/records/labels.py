"""What a label says of a transaction."""

from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from services.records.validation import MAX_INTEGER

UNKNOWN_LABEL = "unknown label"
"""The remark on a label that is none of the usual ones: nothing is known of such a transaction."""

_ANOMALOUS = frozenset({"1", "true", "yes", "y", "fraud", "fraudulent", "anomaly", "anomalous"})
_ORDINARY = frozenset(
    {"0", "false", "no", "n", "normal", "ordinary", "legit", "legitimate", "genuine", "not fraud", "non-fraud"}
)


def label_text(value: Any) -> str:
    """A label as it is compared with others: without its case, and a whole number without decimals."""
    text = str(value).strip().lower()
    with suppress(InvalidOperation):
        number = Decimal(text)
        if -MAX_INTEGER < number < MAX_INTEGER and number == number.to_integral_value():
            return str(int(number))
    return text


def is_anomalous(value: Any) -> bool | None:
    """What the usual labels say: whether a transaction is anomalous; None for any other."""
    text = label_text(value)
    return True if text in _ANOMALOUS else False if text in _ORDINARY else None
