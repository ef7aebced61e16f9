"""Accounts for every offset of a partition that Kafka still knows, by what lies there and what is stored.

Nothing that the pipeline noted is believed: each record is read from Kafka's log, decoded as the pipeline does, and
looked up. Only how far the pipeline has come is taken from its progress, read before anything else, so that a running
engine has stored, by the time of the look-up, all that lies before.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Literal, NamedTuple, get_args

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from domain.identity import near
from domain.transaction import Transaction
from services.brokers.log import LogBatch, LogReader, LogRecord
from services.pipeline.copied import places_in
from services.pipeline.origins import Place, place_in
from services.records import mapping as mappings
from services.records import wire
from services.store.ledger import Ledger, Placed

SHOWN = 5
"""Unaccounted offsets of a partition that are named."""
DECIDED_TOGETHER = 1_000
"""Records that are looked up at once: a fetch may bring one only, and each look-up reads the days around them."""

Fate = Literal[
    "stored",
    "resend",
    "dead letter",
    "skipped",
    "repeat",
    "aborted",
    "marker",
    "compacted",
    "dropped by retention",
    "not asked for",
    "expired unread",
    "waiting",
    "unaccounted",
]
FATES: tuple[Fate, ...] = get_args(Fate)


class Position(NamedTuple):
    """How far a partition was read when the account began; `incarnation` 0 where nothing of this log was.

    What lies before `first` was not asked for where `begun_at` is known, and read by an older release otherwise. `lost`
    expired before it was read.
    """

    incarnation: int = 0
    first: int = 0
    following: int = 0
    begun_at: datetime | None = None
    lost: int = 0


class Unaccounted(NamedTuple):
    """An offset that does not add up, and why."""

    offset: int
    why: str


@dataclass
class PartitionAccount:
    """The offsets of one partition from `begins` to before `ends`, by what became of them."""

    topic: str
    partition: int
    begins: int
    ends: int
    fates: Counter[Fate] = field(default_factory=Counter)
    found: bool = False
    """Whether a record was found that is stored."""
    first_unaccounted: list[Unaccounted] = field(default_factory=list)

    def count(self, fate: Fate, offsets: int = 1) -> None:
        """Count offsets that add up."""
        if offsets:
            self.fates[fate] += offsets

    def note(self, offset: int, why: str) -> None:
        """Count an offset that does not add up."""
        self.fates["unaccounted"] += 1
        if len(self.first_unaccounted) < SHOWN:
            self.first_unaccounted.append(Unaccounted(offset, why))

    def take(self, batches: Sequence[LogBatch], first: int, following: int) -> list[LogRecord]:
        """The records that consumers are given between these offsets; what else is there is counted."""
        given: list[LogRecord] = []
        held = 0
        for batch in batches:
            inside = [record for record in batch.records if first <= record.offset < following]
            held += len(inside)
            if batch.kind == "records":
                given += inside
            else:
                self.count(batch.kind, len(inside))
        self.count("compacted", following - first - held)
        return given


@dataclass
class Reconciler:
    """Goes through the partitions of a topic that is read as it is, or of a re-keyed one (`rekeyed`) and its copy.

    `kept_since` is the first day that retention keeps in any case, `days` are those that are kept. `progress` hears how
    many offsets were gone through.
    """

    reader: LogReader
    ledger: Ledger
    mapping: mappings.Mapping | None
    cluster: str
    topic: str
    rekeyed: bool
    days: set[date]
    kept_since: date
    progress: Callable[[int], None]
    _waiting: set[Place] = field(default_factory=set)
    _unnoted: set[Place] = field(default_factory=set)
    _seen: set[bytes] = field(default_factory=set)
    _places: set[Place] = field(default_factory=set)

    async def learn_copied(self, copy: TopicPartition, position: Position, delivered: int) -> None:
        """Learn which records of the original are in this partition of the copy, of those that matter.

        That are those that wait there to be stored, and those behind `delivered`: of these the re-keyer has not stored
        yet that they are copied.
        """
        async for offset, place in places_in(self.reader, copy, min(delivered, position.following)):
            if offset >= position.following:
                self._waiting.add(place)
            if offset >= delivered:
                self._unnoted.add(place)

    async def account(self, partition: TopicPartition, position: Position) -> PartitionAccount:
        """What became of every offset of a partition.

        Raises: KafkaError, TimeoutError or OSError where Kafka does not answer; CorruptLog; Transient; Unreachable.
        """
        begins, ends = await self.reader.bounds(partition)
        account = PartitionAccount(partition.topic, partition.partition, begins, ends)
        read_to = max(begins, min(ends, position.following)) if position.incarnation else begins
        account.count("waiting", ends - read_to)
        if position.incarnation:
            account.count("expired unread", position.lost + self._expired(partition.partition, position, begins))
        at = begins
        undecided: list[LogRecord] = []
        while at < read_to:
            try:
                fetched = await self.reader.fetch(partition, at)
            except OffsetOutOfRangeError:
                # Kafka deletes what is old while it is read; a log that ends before is another one.
                begins = (await self.reader.bounds(partition))[0]
                if begins <= at:
                    raise
                at = begins
                continue
            # Where nothing is left up to the end, compaction removed it.
            following = min(read_to, fetched.following) if fetched.batches else read_to
            undecided += account.take(fetched.batches, at, following)
            if len(undecided) >= DECIDED_TOGETHER:
                await self._decide(account, position, undecided)
                undecided = []
            self.progress(following - at)
            at = following
        await self._decide(account, position, undecided)
        return account

    def _expired(self, partition: int, position: Position, begins: int) -> int:
        """How many offsets have expired since the position was stored, but for what is in the copy."""
        copied = sum(
            (source, incarnation) == (partition, position.incarnation) and position.following <= offset < begins
            for source, incarnation, offset in self._unnoted
        )
        return max(0, begins - position.following) - copied

    async def _decide(self, account: PartitionAccount, position: Position, records: Sequence[LogRecord]) -> None:
        is_copy = account.topic != self.topic
        places = {record.offset: place for record in records if is_copy and (place := place_in(record)) is not None}
        dead = await self._dead(account, position, records, places)
        decoded: list[tuple[LogRecord, wire.Reading]] = []
        for record in records:
            place = places.get(record.offset)
            if place is not None and place in self._places:
                account.count("repeat")
                continue
            if place is not None:
                self._places.add(place)
            if record.offset in dead:
                account.count("dead letter")
                continue
            if record.value is None:
                account.count("skipped")
                continue
            try:
                decoded.append((record, wire.read(record.value, self.mapping, dict(record.headers))))
            except wire.Skipped:
                # What waits in the copy is skipped once it is read there: nobody looks for it in the store.
                account.count("skipped")
            except wire.Unreachable:
                raise
            except Exception as error:
                self._missing(account, position, record, f"is no transaction and no dead letter: {error}")
        if not decoded:
            return
        transactions = [reading.transaction for _, reading in decoded]
        times = [transaction.timestamp for transaction in transactions]
        ids = [transaction.transaction_id for transaction in transactions]
        stored = await self.ledger.placed(ids, min(times), max(times))
        for record, reading in decoded:
            transaction = reading.transaction
            # What else has the id is another transaction, as it was to the pipeline.
            here = [
                each
                for each in stored.get(transaction.transaction_id, ())
                if near(each.event_time, transaction.timestamp)
            ]
            if not here:
                self._not_stored(account, position, record, transaction)
                continue
            content = (transaction.user_id, transaction.amount, transaction.timestamp)
            same = [each for each in here if each[:3] == content]
            if any(self._is_first(account, position, record, transaction, each) for each in same):
                account.found = True
                account.count("stored")
            elif reading.updated or same:
                account.count("skipped" if reading.updated else "resend")
            else:
                why = f"has the id {transaction.transaction_id!r} of another transaction and is no dead letter"
                self._missing(account, position, record, why)

    async def _dead(
        self, account: PartitionAccount, position: Position, records: Sequence[LogRecord], places: Mapping[int, Place]
    ) -> set[int]:
        """The offsets of those that are dead letters: they are kept by their place in the original."""
        if not records:
            return set()
        own = (account.topic, account.partition, position.incarnation)
        logs: dict[tuple[str, int, int], dict[int, list[int]]] = {}
        for offset in (record.offset for record in records):
            partition, incarnation, original = places.get(offset, (-1, 0, 0))
            log, at = (own, offset) if partition < 0 else ((self.topic, partition, incarnation), original)
            logs.setdefault(log, {}).setdefault(at, []).append(offset)
        dead: set[int] = set()
        for log, offsets in logs.items():
            for at in await self.ledger.dead(self.cluster, *log, min(offsets), max(offsets) + 1):
                dead.update(offsets.get(at, ()))
        return dead

    def _is_first(
        self,
        account: PartitionAccount,
        position: Position,
        record: LogRecord,
        transaction: Transaction,
        here: Placed,
    ) -> bool:
        """Whether the stored transaction came from this record, and not from one before that is the same."""
        if position.begun_at is not None and here.stored_at < position.begun_at:
            return False
        if not self.rekeyed or account.topic != self.topic:
            return (here.partition, here.offset) == (account.partition, record.offset)
        # The row names a place in the copy. Which record of the original it was no longer counts: one of them.
        named = f"{transaction.timestamp.timestamp()} {transaction.transaction_id}"
        key = blake2b(named.encode(errors="replace"), digest_size=8).digest()
        is_first = key not in self._seen
        self._seen.add(key)
        return is_first

    def _not_stored(
        self, account: PartitionAccount, position: Position, record: LogRecord, transaction: Transaction
    ) -> None:
        day = transaction.timestamp.date()
        if day not in self.days and day < self.kept_since:
            account.count("dropped by retention")
        else:
            self._missing(account, position, record, f"transaction {transaction.transaction_id!r} is not stored")

    def _missing(self, account: PartitionAccount, position: Position, record: LogRecord, why: str) -> None:
        if account.topic == self.topic and (account.partition, position.incarnation, record.offset) in self._waiting:
            account.count("waiting")
        elif record.offset < position.first and (position.begun_at is not None or not account.found):
            account.count("not asked for")
        else:
            account.note(record.offset, why)


def kept_since(retention_days: int) -> date:
    """The first day whose transactions retention keeps in any case."""
    return (datetime.now(UTC) - timedelta(days=retention_days)).date()
