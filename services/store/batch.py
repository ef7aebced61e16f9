"""What one batch commits."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.layout import Counts
from detectors.verdicts import Verdicts
from domain.accounting import Account
from domain.transaction import COLUMNS, GroundTruth, Transaction
from domain.values import Values, values_of
from domain.verdict import DETECTORS, DetectorName, Verdict
from services.store.binary import (
    Column,
    decimals,
    floats,
    microseconds,
    moment,
    moments,
    numbers,
    some_texts,
    spread,
    texts,
)
from services.store.judged import Named, Versioned, judged

_json = msgspec.json.Encoder()

_DAY = 86_400_000_000
"""In microseconds."""

JSONB = "\x01"
"""The version with which jsonb begins in the binary format."""


class Term(NamedTuple):
    """An owner's term on one partition of one cluster.

    `incarnation` counts the logs that have been read under this name, from 1: offsets of another one are others.
    """

    cluster: str
    topic: str
    partition: int
    epoch: int
    incarnation: int = 1


class StoredRow(NamedTuple):
    """A scored record: its offset, transaction, verdicts and, where the producer sent it, ground truth."""

    offset: int
    transaction: Transaction
    verdicts: tuple[Verdict, ...]
    truth: GroundTruth | None


class Given(NamedTuple):
    """The verdicts of one detector, and of which rows they are, shape (n,), in ascending order."""

    rows: Counts
    verdicts: Verdicts


class StoredRows(Sequence[StoredRow]):
    """The scored records of a batch as columns, in the order of their offsets; a row is made when it is asked for."""

    def __init__(
        self,
        offsets: Sequence[int],
        transactions: Sequence[Transaction],
        truths: Sequence[GroundTruth | None],
        judged: Mapping[DetectorName, Given],
        times: NDArray[np.int64] | None = None,
    ) -> None:
        """`times` are those of the events in microseconds since 1970, shape (n,), where they are known."""
        self.offsets, self.transactions, self.truths, self.judged = offsets, transactions, truths, judged
        self.times = microseconds([each.timestamp for each in transactions]) if times is None else times

    def days(self, among: NDArray[np.bool_] | None = None) -> set[date]:
        """The UTC days of the events, or of those of the rows that are `among` these, shape (n,)."""
        times = self.times if among is None else self.times[among]
        return {moment(first).date() for first in (np.unique(times // _DAY) * _DAY).tolist()}

    @classmethod
    def of(cls, rows: Sequence[StoredRow]) -> "StoredRows":
        """Rows that are there one by one."""
        if isinstance(rows, StoredRows):
            return rows
        given: dict[DetectorName, dict[int, Verdict]] = {}
        for number, row in enumerate(rows):
            for verdict in row.verdicts:
                given.setdefault(verdict.detector, {})[number] = verdict
        return cls(
            [row.offset for row in rows],
            [row.transaction for row in rows],
            [row.truth for row in rows],
            {
                name: Given(np.array([*of]), Verdicts.of(name, next(iter(of.values())).model_version, [*of.values()]))
                for name, of in given.items()
            },
        )

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, number: int) -> StoredRow: ...
    @overload
    def __getitem__(self, number: slice) -> list[StoredRow]: ...
    def __getitem__(self, number: int | slice) -> StoredRow | list[StoredRow]:
        if isinstance(number, slice):
            return [self[place] for place in range(len(self))[number]]
        verdicts = []
        for rows, given in self.judged.values():
            place = int(np.searchsorted(rows, number))
            if place < len(rows) and rows[place] == number:
                verdicts.append(given[place])
        return StoredRow(self.offsets[number], self.transactions[number], tuple(verdicts), self.truths[number])


class DeadRecord(NamedTuple):
    """A record that could not become a transaction."""

    offset: int
    payload: bytes
    reason: str


class Origin(NamedTuple):
    """Where the records of a batch were before they were re-keyed: in which topic, and by offset at which partition,
    incarnation and offset. `sources` has the next place in each partition of that topic, once the batch is stored.
    """

    topic: str
    places: Mapping[int, tuple[int, int, int]]
    sources: Sequence[int]


class Passed(NamedTuple):
    """Offsets of a batch that leave no row: transactions stored before, records that stand for none, repeats in a
    copy, and those before its first record that had expired.
    """

    resends: int = 0
    skipped: int = 0
    repeats: int = 0
    lost: int = 0


class Part(NamedTuple):
    """What a batch has of one partition, of which `next_offset` moves from `expected` to `following`.

    So many of the rows of the batch are of it as were `stored`; `profiles` are those of their users.
    """

    term: Term
    expected: int
    following: int
    stored: int
    dead: tuple[DeadRecord, ...]
    profiles: Mapping[str, bytes]
    passed: Passed = Passed()
    origin: Origin | None = None

    @property
    def account(self) -> Account:
        """What became of its offsets."""
        accounted = self.stored + len(self.dead) + sum(self.passed)
        return Account(
            stored=self.stored,
            dead=len(self.dead),
            without_record=self.following - self.expected - accounted,
            **self.passed._asdict(),
        )

    def place(self, offset: int) -> tuple[str, int, int, int]:
        """Topic, partition, incarnation and offset of a record as its producer knows them."""
        if self.origin is None or offset not in self.origin.places:
            return self.term.topic, self.term.partition, self.term.incarnation, offset
        return self.origin.topic, *self.origin.places[offset]


class Batch(NamedTuple):
    """Everything that one transaction stores, of some partitions of one topic, each of which is in one of the `parts`.

    `rows` are those of the first part, then those of the second, and so on. `flagged` counts, of the users who have a
    profile here, all transactions that were flagged; one it lacks has none. `new` are those who had no profile when
    they were asked for. `simulated` says that all of it was simulated.
    """

    parts: tuple[Part, ...]
    rows: Sequence[StoredRow]
    state_version: int
    model_version: str
    flagged: Mapping[str, int] = {}
    new: frozenset[str] = frozenset()
    simulated: bool = False

    @property
    def days(self) -> set[date]:
        """The UTC days of its events."""
        return StoredRows.of(self.rows).days()


class Prepared(NamedTuple):
    """A batch as columns for COPY; made in the executor, so that the loop only sends.

    `versions` and `briefs` are what the last columns name, of each detector: keys are known only when it is stored.
    """

    batch: Batch
    columns: list[Column]
    versions: list[Versioned]
    briefs: list[Named]


def prepare(batch: Batch, values: Values | None = None) -> Prepared:
    """Encode the rows of a batch for COPY; `values` are those of its transactions, where they are known.

    Raises: UnicodeEncodeError.
    """
    rows = StoredRows.of(batch.rows)
    n = len(rows)
    values = values_of(rows.transactions) if values is None else values
    columns = [
        *(
            moments(rows.times) if column.path == "timestamp" else _ENCODED.get(column.path, texts)(values[column.path])
            for column in COLUMNS
        ),
        some_texts({row: JSONB + _json.encode(more).decode() for row, more in enumerate(values["extra"]) if more}, n),
        numbers(np.repeat(*_partitions(batch.parts)), "i4"),
        numbers(np.array(rows.offsets, np.int64), "i8"),
        *_truth_columns(rows.truths),
    ]
    versions, briefs = [], []
    for detector in DETECTORS:
        of, verdicts = rows.judged.get(detector, (np.zeros(0, np.int64), Verdicts.warming(detector, 0)))
        known = np.zeros(n, np.bool_)
        known[of] = True
        found = judged(verdicts)
        columns += [spread(column, known) for column in found.columns]
        versions.append(found.version.spread(known))
        briefs.append(found.brief.spread(known))
    return Prepared(batch, columns, versions, briefs)


def _partitions(parts: Sequence[Part]) -> tuple[Counts, Counts]:
    """The partition of each part, and how many rows are of it, shape (parts,) each."""
    return np.array([part.term.partition for part in parts]), np.array([part.stored for part in parts])


_ENCODED: dict[str, Callable[[Sequence[Any]], Column]] = {
    "amount": decimals,
    "location.latitude": floats,
    "location.longitude": floats,
}
"""How columns of a transaction are encoded that are no text, but for the event time."""


def _truth_columns(truths: Sequence[GroundTruth | None]) -> tuple[Column, Column]:
    known = {row: truth for row, truth in enumerate(truths) if truth is not None}
    there = np.zeros(len(truths), np.bool_)
    there[list(known)] = True
    anomalous = np.array([truth.anomalous for truth in known.values()], np.bool_)
    kinds = {row: truth.kind for row, truth in known.items() if truth.kind is not None}
    return spread(numbers(anomalous, "u1"), there), some_texts(kinds, len(truths))
