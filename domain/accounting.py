"""The account of a partition: what became of every offset that was passed."""

from collections.abc import Iterable
from functools import reduce
from operator import add

import msgspec

_SAID = {
    "stored": "stored",
    "resends": "resends",
    "dead": "dead",
    "skipped": "skipped",
    "copied": "copied",
    "repeats": "repeats",
    "without_record": "without a record",
    "lost": "lost",
}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Offsets by what became of them.

    `stored` are transactions; `resends` are the same transactions again; `dead` are dead letters; `skipped` stand for
    no transaction: tombstones, deletions, updates. `copied` went into the copy of a topic that is re-keyed, of which
    `repeats` were in the copy twice. `without_record` are offsets that no record has for a consumer: aborted ones,
    markers of transactions, compacted ones. `lost` expired in Kafka before they were read.
    """

    stored: int = 0
    resends: int = 0
    dead: int = 0
    skipped: int = 0
    copied: int = 0
    repeats: int = 0
    without_record: int = 0
    lost: int = 0

    def __add__(self, other: "Account") -> "Account":
        return Account(**{name: getattr(self, name) + getattr(other, name) for name in KINDS})

    @property
    def offsets(self) -> int:
        """How many offsets there are in all."""
        return sum(getattr(self, name) for name in KINDS)

    @property
    def sentence(self) -> str:
        """The sum and its parts: 12,345 = 12,300 stored + 20 resends + 25 dead."""
        parts = [f"{count:,} {said}" for name, said in _SAID.items() if (count := getattr(self, name))]
        return f"{self.offsets:,} = {' + '.join(parts)}" if parts else "0"


KINDS = tuple(_SAID)


def total(accounts: Iterable[Account]) -> Account:
    """The sum of several accounts."""
    return reduce(add, accounts, Account())
