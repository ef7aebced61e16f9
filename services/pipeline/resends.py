"""Transaction ids that come again: the same transaction is a resend, another one is a mistake of its producer."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from domain.identity import Content, compared
from services.pipeline.scoring import Decoded, DecodedRecord
from services.store.batch import DeadRecord


class Sorted(NamedTuple):
    """Records of a partition that are new, and dead letters for ids used before by another transaction.

    `resends` counts the same transaction again, `updates` what its source changed since it was stored.
    """

    fresh: list[DecodedRecord]
    changed: list[DeadRecord]
    resends: int
    updates: int


def sort_out(decoded: Sequence[Decoded], stored: Mapping[str, Sequence[Content]]) -> list[Sorted]:
    """Compare the records of some partitions with the `stored` transactions of these ids, and with each other.

    What is stored far from a record by event time does not count, so that what else is in a batch decides nothing.
    """
    ids = [*chain.from_iterable(each.values["transaction_id"] for each in decoded)]
    if not stored and len(set(ids)) == len(ids):
        return [Sorted(each.transactions, [], 0, 0) for each in decoded]
    known = {ident: [*contents] for ident, contents in stored.items()}
    return [_sorted(each.transactions, known) for each in decoded]


def _sorted(records: Sequence[DecodedRecord], known: dict[str, list[Content]]) -> Sorted:
    """Those of one partition; what is new among them is `known` from then on."""
    fresh: list[DecodedRecord] = []
    changed: list[DeadRecord] = []
    resends = updates = 0
    for record in records:
        transaction = record.transaction
        content = (transaction.user_id, transaction.amount, transaction.timestamp)
        earlier = known.setdefault(transaction.transaction_id, [])
        found = compared(content, earlier)
        if found == "new":
            earlier.append(content)
            fresh.append(record)
        elif record.updated:
            updates += 1
        elif found == "same":
            resends += 1
        else:
            reason = f"transaction id {transaction.transaction_id!r} was used before by another transaction"
            changed.append(DeadRecord(record.offset, record.payload, reason))
    return Sorted(fresh, changed, resends, updates)
