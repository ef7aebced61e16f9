"""Transaction ids that come again: the same transaction is a resend, another one is a mistake of its producer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.pipeline.scoring import DecodedRecord
from services.store.batch import DeadRecord


class Sorted(NamedTuple):
    """Records that are new, and dead letters for ids used before by another transaction.

    `resends` counts the same transaction again, `updates` what its source changed since it was stored.
    """

    fresh: list[DecodedRecord]
    changed: list[DeadRecord]
    resends: int
    updates: int


def sort_out(decoded: Sequence[DecodedRecord], stored: dict[str, tuple[str, Any, datetime]]) -> Sorted:
    """Compare with the `stored` transactions of these ids, each with user, amount and event time, and with each other.

    A stored transaction whose row is gone has None for all three and counts as the same.
    """
    known = dict(stored)
    fresh: list[DecodedRecord] = []
    changed: list[DeadRecord] = []
    resends = updates = 0
    for record in decoded:
        transaction = record.transaction
        content = (transaction.user_id, transaction.amount, transaction.timestamp)
        earlier = known.get(transaction.transaction_id)
        if earlier is None:
            known[transaction.transaction_id] = content
            fresh.append(record)
        elif record.updated:
            updates += 1
        elif earlier[0] in (None, content[0]) and earlier[1:] in ((None, None), content[1:]):
            resends += 1
        else:
            reason = f"transaction id {transaction.transaction_id!r} was used before by another transaction"
            changed.append(DeadRecord(record.offset, record.payload, reason))
    return Sorted(fresh, changed, resends, updates)
