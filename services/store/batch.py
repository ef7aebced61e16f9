"""What one batch commits, and its fenced transaction."""

from collections.abc import Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from domain.accounting import Account
from domain.transaction import COLUMNS, GROUPS, GroundTruth, Transaction
from domain.verdict import Reason, Verdict
from services.store import statements
from services.store.faults import Fenced, ForeignProfile, translated

TRANSACTION_COLUMNS = (
    *("event_time" if column.name == "timestamp" else column.name for column in COLUMNS),
    "extra",
    "kafka_partition",
    "kafka_offset",
)
VERDICT_COLUMNS = (
    "transaction_id",
    "event_time",
    "detector",
    "score",
    "threshold",
    "flagged",
    "severity",
    "status",
    "model_version",
    "reasons",
    "error",
)

_json = msgspec.json.Encoder()
_values = attrgetter(*(column.path for column in COLUMNS))


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


class Batch(NamedTuple):
    """Everything that one transaction stores: `next_offset` moves from `expected` to `following`.

    `flagged` counts, of the users in `profiles`, all transactions that were flagged; a user it lacks has none.
    `simulated` says that all of it was simulated.
    """

    term: Term
    expected: int
    following: int
    rows: tuple[StoredRow, ...]
    dead: tuple[DeadRecord, ...]
    profiles: dict[str, bytes]
    state_version: int
    model_version: str
    flagged: Mapping[str, int] = {}
    origin: Origin | None = None
    passed: Passed = Passed()
    simulated: bool = False

    @property
    def account(self) -> Account:
        """What became of its offsets."""
        accounted = len(self.rows) + len(self.dead) + sum(self.passed)
        return Account(
            stored=len(self.rows),
            dead=len(self.dead),
            without_record=self.following - self.expected - accounted,
            **self.passed._asdict(),
        )

    def place(self, offset: int) -> tuple[str, int, int, int]:
        """Topic, partition, incarnation and offset of a record as its producer knows them."""
        if self.origin is None or offset not in self.origin.places:
            return self.term.topic, self.term.partition, self.term.incarnation, offset
        return self.origin.topic, *self.origin.places[offset]

    @property
    def days(self) -> set[date]:
        """The UTC days of its events."""
        return {row.transaction.timestamp.date() for row in self.rows}


class Prepared(NamedTuple):
    """A batch as tuples for COPY; made in the executor, so that the loop only sends."""

    batch: Batch
    ids: list[tuple[Any, ...]]
    transactions: list[tuple[Any, ...]]
    verdicts: list[tuple[Any, ...]]
    truth: list[tuple[Any, ...]]


def prepare(batch: Batch) -> Prepared:
    """Flatten a batch into the tuples that COPY wants."""
    partition = batch.term.partition
    ids, transactions, verdicts, truth = [], [], [], []
    for offset, transaction, judged, known in batch.rows:
        ident, at = transaction.transaction_id, transaction.timestamp
        ids.append((ident, at))
        transactions.append(
            (
                *_values(transaction),
                _json.encode(transaction.extra).decode() if transaction.extra else None,
                partition,
                offset,
            )
        )
        for verdict in judged:
            verdicts.append(
                (
                    ident,
                    at,
                    verdict.detector,
                    verdict.score,
                    verdict.threshold,
                    verdict.flagged,
                    verdict.severity.rank,
                    verdict.status,
                    verdict.model_version,
                    _json.encode(verdict.reasons).decode(),
                    verdict.error,
                )
            )
        if known is not None:
            truth.append((ident, at, known.anomalous, known.kind))
    return Prepared(batch, ids, transactions, verdicts, truth)


async def commit(connection: Any, prepared: Prepared) -> None:
    """Store a batch in one transaction behind the fence.

    Raises: Fenced when another owner took over; ForeignProfile when a profile is another partition's; Transient,
    BadData or DuplicateId as `faults` maps them.
    """
    batch = prepared.batch
    term, account = batch.term, batch.account
    with translated():
        async with connection.transaction():
            moved = await connection.execute(
                statements.MOVE_FENCE,
                term.cluster,
                term.topic,
                term.partition,
                batch.expected,
                term.epoch,
                batch.following,
                None if batch.origin is None else batch.origin.sources,
                account.stored,
                account.resends,
                account.dead,
                account.skipped,
                account.repeats,
                account.without_record,
                account.lost,
            )
            if moved != "UPDATE 1":
                raise Fenced(f"partition {term.partition}: another owner moved past offset {batch.expected}")
            if prepared.ids:
                await connection.copy_records_to_table(
                    "transaction_ids", records=prepared.ids, columns=("transaction_id", "event_time")
                )
                await connection.copy_records_to_table(
                    "transactions", records=prepared.transactions, columns=TRANSACTION_COLUMNS
                )
                await connection.copy_records_to_table("verdicts", records=prepared.verdicts, columns=VERDICT_COLUMNS)
            if prepared.truth:
                await connection.execute(statements.SAVE_TRUTH, *map(list, zip(*prepared.truth, strict=True)))
            if batch.profiles:
                # Sorted, so that two batches never lock the same profiles in opposite order.
                users = sorted(batch.profiles)
                written = await connection.execute(
                    statements.SAVE_PROFILES,
                    users,
                    [batch.profiles[user] for user in users],
                    [batch.flagged.get(user, 0) for user in users],
                    batch.state_version,
                    batch.model_version,
                    term.cluster,
                    term.topic,
                    term.partition,
                    batch.following,
                )
                if written != f"INSERT 0 {len(users)}":
                    at = term.cluster, term.topic, term.partition
                    raise ForeignProfile(*await connection.fetchrow(statements.FOREIGN_PROFILE, users, *at))
            if batch.dead:
                places = [batch.place(dead.offset) for dead in batch.dead]
                await connection.execute(
                    statements.SAVE_DEAD_LETTERS,
                    term.cluster,
                    *map(list, zip(*places, strict=True)),
                    [dead.payload for dead in batch.dead],
                    [dead.reason for dead in batch.dead],
                )


def transaction_of(row: Any) -> Transaction:
    """The transaction a `transactions` row holds."""
    fields: dict[str, Any] = {group: {} for group in GROUPS}
    for column, stored in zip(COLUMNS, TRANSACTION_COLUMNS, strict=False):
        group, _, name = column.path.rpartition(".")
        (fields[group] if group else fields)[name] = row[stored]
    fields["extra"] = msgspec.json.decode(row["extra"]) if row["extra"] else None
    return msgspec.convert(fields, Transaction)


def reasons_of(stored: Any) -> tuple[Reason, ...]:
    """The reasons a `verdicts` row holds."""
    return msgspec.convert(stored, tuple[Reason, ...])
