"""Owners of partitions, with a Kafka and a PostgreSQL that are lists and dictionaries: a test says what happens next.
What decodes, scores, caches, commits and publishes is the pipeline's own code.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from types import SimpleNamespace
from typing import Any, Literal

from detectors.enhanced import EnhancedModel
from detectors.models import Models
from detectors.state import UserState
from domain.accounting import Account
from domain.identity import Content
from domain.transaction import Transaction
from services.console.bus import Bus
from services.models import schedule
from services.pipeline.batching import Batching
from services.pipeline.desk import ThreadDesk
from services.pipeline.failures import ScorerLost
from services.pipeline.keying import Keying
from services.pipeline.partition import PartitionTask
from services.pipeline.profile_cache import ProfileCache
from services.pipeline.scorer import Answered, Looked, Outcome, Scorer
from services.pipeline.scoring import Record, Seat
from services.pipeline.shared import Shared
from services.pipeline.together import Together
from services.pipeline.topic import TopicWatch
from services.pipeline.turns import Turns
from services.records import wire
from services.store.batch import DeadRecord, Prepared, StoredRow, Term
from services.store.faults import CommitUnanswered, Fenced, Transient
from services.store.store import Opening

CLUSTER, TOPIC = "c", "transactions"
PARTITIONS = 4
BATCH = 6
CACHE_BYTES = 1_500
"""Room for the profiles of two users or so."""

POISONED = "scoring it stopped the process more than once"
HEADERS = [(wire.CLOCK_HEADER, wire.CLOCK_REPLAY)]
WARMING = schedule.warming("both")
Fate = Literal["answered", "answer lost", "not done"]


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__()

    def time(self) -> float:
        return self.now

    def settle(self, seconds: float = 0.0) -> None:
        """Let so much time pass, and everything run that waits for nothing then."""
        self.now += seconds

        async def others() -> None:
            await asyncio.sleep(0)
            while self._ready:
                await asyncio.sleep(0)

        self.run_until_complete(others())


class AtOnce(Executor):
    """Runs what it is given before it returns."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments, **options))
        except Exception as error:
            done.set_exception(error)
        return done


@dataclass(frozen=True)
class Row:
    """One partition in `progress`."""

    next_offset: int = 0
    epoch: int = 0
    restored_from: int = 0
    restores: int = 0
    attempt_size: int = 0
    attempts: int = 0
    incarnation: int = 0
    account: Account = field(default_factory=Account)

    @property
    def opening(self) -> Opening:
        return Opening(
            self.next_offset,
            self.epoch,
            self.restores,
            self.attempt_size,
            self.attempts,
            "",
            self.incarnation,
            account=self.account,
        )


@dataclass
class Asked:
    """What an owner waits for: PostgreSQL has not got to it yet."""

    owner: "Owner"
    do: Callable[[], Any]
    answer: asyncio.Future[Any]
    commits: str = ""
    """The number of the transaction, where it is a COMMIT."""

    def end(self, fate: Fate) -> None:
        """PostgreSQL does it and answers, or does it and cannot answer, or cannot be reached."""
        if self.answer.done():
            return
        error: Exception | None = None
        result = None
        if fate != "not done":
            try:
                result = self.do()
            except Exception as refused:
                error = refused
        if fate != "answered":
            error = CommitUnanswered(self.commits, fate) if self.commits else Transient(fate)
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)


class PostgreSQL:
    """What is stored, with statements that do what those of `services/store/statements.py` do."""

    def __init__(self, *, fenced: bool = True) -> None:
        self.progress: dict[int, Row] = {}
        self.stored: list[tuple[int, StoredRow]] = []
        """With the partition of each."""
        self.profiles: dict[str, bytes] = {}
        self.dead: list[DeadRecord] = []
        self.committed: dict[str, tuple[Owner, dict[int, set[str]]]] = {}
        """By the number of the transaction, in their order: who stored what of each partition."""
        self.asked: list[Asked] = []
        self.numbers = 0
        self._fenced = fenced

    def open_term(self, partition: int) -> Opening:
        found = self.progress.get(partition)
        if found is None:
            row = Row(epoch=1)
        elif found.restored_from == found.next_offset:
            row = replace(found, epoch=found.epoch + 1, restores=found.restores + 1)
        else:
            row = replace(found, epoch=found.epoch + 1, restored_from=found.next_offset)
            row = replace(row, restores=0, attempt_size=0, attempts=0)
        self.progress[partition] = row
        return row.opening

    def change(self, term: Term, **values: Any) -> Opening | None:
        """Within a term; another owner's is left alone."""
        row = self.progress[term.partition]
        if row.epoch != term.epoch:
            return None
        self.progress[term.partition] = replace(row, **values)
        return self.progress[term.partition].opening

    def commit(self, owner: "Owner", number: str, prepared: Prepared) -> None:
        parts = prepared.batch.parts
        if self._fenced and any(
            (self.progress[part.term.partition].next_offset, self.progress[part.term.partition].epoch)
            != (part.expected, part.term.epoch)
            for part in parts
        ):
            raise Fenced("another owner moved it")
        rows = iter(prepared.batch.rows)
        self.committed[number] = owner, {}
        for part in parts:
            partition = part.term.partition
            row = self.progress[partition]
            self.progress[partition] = replace(
                row,
                next_offset=part.following,
                restores=0,
                attempt_size=0,
                attempts=0,
                account=row.account + part.account,
            )
            own = [*islice(rows, part.stored)]
            self.stored += [(partition, each) for each in own]
            self.profiles |= part.profiles
            self.dead += part.dead
            self.committed[number][1][partition] = {each.transaction.transaction_id for each in own}

    def last_committed_by(self, owner: "Owner") -> set[str]:
        """The transactions of his last batch of each partition."""
        last: dict[int, set[str]] = {}
        for who, ids in self.committed.values():
            if who is owner:
                last |= ids
        return set().union(*last.values())


class Client:
    """One owner's `Store`, as far as a partition's task calls it; what has no part in the protocol is done at once."""

    def __init__(self, server: PostgreSQL, owner: "Owner") -> None:
        self._server = server
        self._owner = owner

    async def _ask(self, do: Callable[[], Any], commits: str = "") -> Any:
        asked = Asked(self._owner, do, asyncio.get_running_loop().create_future(), commits)
        self._server.asked.append(asked)
        return await asked.answer

    async def open_term(self, cluster: str, topic: str, partition: int, owner: str, topic_id: str = "") -> Any:
        return await self._ask(lambda: self._server.open_term(partition))

    async def begin_incarnation(self, term: Term, topic_id: str, offset: int) -> Any:
        opening = self._server.change(term, incarnation=1, next_offset=offset, restored_from=offset)
        if opening is None:
            raise Fenced("another owner opened it")
        return opening

    async def close_term(self, term: Term) -> None:
        self._server.change(term, restores=0, attempt_size=0, attempts=0, restored_from=-1)

    async def mark_attempt(self, term: Term, size: int) -> None:
        row = self._server.progress[term.partition]
        self._server.change(term, attempt_size=size, attempts=row.attempts + 1, restored_from=row.next_offset)

    async def known(self, ids: Sequence[str], first: datetime, last: datetime) -> dict[str, list[Content]]:
        asked = set(ids)
        found: dict[str, list[Content]] = {}
        for _, row in self._server.stored:
            stored = row.transaction
            if stored.transaction_id in asked:
                content = stored.user_id, stored.amount, stored.timestamp
                found.setdefault(stored.transaction_id, []).append(content)
        return found

    async def profiles(self, users: Sequence[str], state_version: int) -> Any:
        stored = self._server.profiles
        return await self._ask(lambda: {user: stored[user] for user in users if user in stored})

    async def commit(self, prepared: Prepared, *, waits: bool) -> None:
        self._server.numbers += 1
        number = str(self._server.numbers)
        await self._ask(lambda: self._server.commit(self._owner, number, prepared), commits=number)

    async def any_committed(self, transactions: Sequence[str]) -> Any:
        return await self._ask(lambda: any(number in self._server.committed for number in transactions))


class Partition:
    """A log of records, and where a task reads it: a `Source`."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def append(self, transaction: Transaction) -> None:
        record = SimpleNamespace(
            offset=len(self.records),
            timestamp=0,
            key=transaction.user_id.encode(),
            value=wire.encode(transaction),
            headers=HEADERS,
        )
        self.records.append(record)

    async def hold(self) -> int:
        return 0

    async def beginning(self) -> int:
        return 0

    def flow(self, offset: int) -> None:
        """What is offered from before is dropped by the inbox."""


class Losable:
    """A `Desk` whose scorer may be gone at any moment, with all that it had; another has taken its place then."""

    def __init__(self, make: Callable[[], ProfileCache]) -> None:
        self._make = make
        self._at: dict[Seat, ThreadDesk] = {}
        self.lose()

    def lose(self) -> None:
        self._now = ThreadDesk(Scorer(None, self._make()), AtOnce())

    async def decode(self, taken: Mapping[Seat, Sequence[Record]], *, keys: bool) -> Looked:
        self._at |= dict.fromkeys(taken, self._now)
        return await self._now.decode(taken, keys=keys)

    async def score(self, answered: Answered, models: Models) -> Outcome:
        if self._at[answered.seats[0]] is not self._now:
            raise ScorerLost("it is another one")
        return await self._now.score(answered, models)

    def stored(self, seats: Sequence[Seat]) -> None:
        if self._at[seats[0]] is self._now:
            self._now.stored(seats)

    def forget(self, seat: Seat) -> None:
        self._now.forget(seat)

    def clear(self) -> None:
        self._now.clear()


class Owner:
    """A process until it is killed: its memory, and its tasks by partition."""

    def __init__(
        self,
        server: PostgreSQL,
        logs: Sequence[Partition],
        published: list[str],
        make_cache: Callable[[], ProfileCache],
    ) -> None:
        self.tasks: dict[int, PartitionTask] = {}
        self._running: list[asyncio.Task[None]] = []
        self._server = server
        self._logs = logs
        bus = Bus()
        show = bus.publish

        def publish(rows: Sequence[StoredRow], latencies: Iterable[float]) -> None:
            published.extend(row.transaction.transaction_id for row in rows)
            show(rows, latencies)

        bus.publish = publish  # type: ignore[method-assign]
        store: Any = Client(server, self)
        self.desk = Losable(make_cache)
        broker: Any = None

        async def exists(topic: str) -> bool:
            return False

        keying, turns = Keying(store, CLUSTER, TOPIC, "user", PARTITIONS, exists), Turns()
        together = Together(turns, Batching(self.desk, store, bus, keying, lambda: WARMING), BATCH)
        self._shared = Shared(
            cluster=CLUSTER,
            topic=TopicWatch(broker, TOPIC),
            owner="",
            store=store,
            bus=bus,
            batch_size=BATCH,
            turns=turns,
            together=lambda partition: together,
            keying=keying,
        )

    def assign(self, loop: Loop, partition: int) -> None:
        self.tasks[partition] = PartitionTask(self._shared, partition, self._logs[partition])
        self._running.append(loop.create_task(self.tasks[partition].run()))

    def poll(self) -> None:
        for partition, task in self.tasks.items():
            records = self._logs[partition].records
            if task.inbox.opened:
                task.inbox.offer(records[task.inbox.position :])
                task.inbox.reach(len(records))

    def revoke(self, partition: int) -> None:
        """It ends after the batch in flight, however long that takes."""
        self.tasks.pop(partition).stop_soon()

    def kill(self) -> None:
        self._server.asked = [asked for asked in self._server.asked if asked.owner is not self]
        for each in self._running:
            each.cancel()

    def check(self) -> None:
        """Raises what ended a task."""
        for each in self._running:
            if each.done() and not each.cancelled():
                each.result()


def recounted(server: PostgreSQL) -> dict[str, bytes]:
    """What the stored transactions add up to."""
    states: dict[str, UserState] = {}
    in_order = sorted(server.stored, key=lambda each: (each[0], each[1].offset))
    EnhancedModel.warming().score([row.transaction for _, row in in_order], states)
    return {user: state.to_bytes() for user, state in states.items()}
