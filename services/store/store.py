"""The pool and the calls the rest of the system makes on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from detectors.formats import FORMAT
from domain.accounting import KINDS, Account
from domain.clock import LIVE, Clock
from domain.engine import DeadLetter
from domain.filters import Filter
from domain.identity import Content, around
from domain.quality import DetectorQuality, Scoreboard
from domain.transaction import Transaction
from domain.verdict import ScoredTransaction
from services.store import queries, schema, statements
from services.store.backfill import Backfill
from services.store.budget import Queue
from services.store.columns import transaction_of
from services.store.days import Days
from services.store.faults import Fenced, NewerProfile, Rekeyed, StoreError, Transient, translated
from services.store.ledger import Ledger
from services.store.outcomes import Outcomes
from services.store.pages import Pages
from services.store.pools import create_database, open_pool, open_readers, unanswered
from services.store.reading import reading, streamed
from services.store.rekeying import Rekeying
from services.store.search import Search, dead_letter
from services.store.timeline import Timeline
from services.store.triage import Decisions
from services.store.truth import Truth
from services.store.users import Users
from services.store.words import KnownKeys

if TYPE_CHECKING:
    from services.store.batch import Prepared, Term


class Opening(msgspec.Struct, frozen=True):
    """What a new owner of a partition starts from.

    `restores` counts openings at this same offset without progress; `attempt_size` and `attempts` describe a
    marked batch during which the process died. `topic_id` is the id of the topic that was read last, empty where Kafka
    has none; `incarnation` is 0 as long as nothing was read. `sources` has, of a partition of a re-keyed copy, the next
    place in each partition of the original. `account` is what became of the offsets before `next_offset`.
    """

    next_offset: int
    epoch: int
    restores: int
    attempt_size: int
    attempts: int
    topic_id: str
    incarnation: int
    sources: Sequence[int] = ()
    account: Account = Account()


class Store:
    """All reads and writes; every method raises `faults` errors only."""

    def __init__(self, pool: Any, readers: Any, keys: KnownKeys) -> None:
        self.pool = pool
        self.readers = readers
        self.backfill = Backfill(pool)
        self.days = Days(pool)
        self.keys = keys
        self.ledger = Ledger(pool)
        self.outcomes = Outcomes(pool)
        self.search = Search(readers)
        self.truth = Truth(readers)
        self.pages = Pages(readers)
        self.users = Users(readers)
        self.triage = Decisions(pool, readers)
        self.queue = Queue(pool)
        self.timeline = Timeline(pool, readers)
        self.rekeying = Rekeying(pool)

    @classmethod
    async def open(
        cls, dsn: str, *, read_dsn: str | None = None, connections: int = 8, as_it_is: bool = False
    ) -> "Store":
        """Connect, create the database when it is missing and allowed, and apply the schema.

        What people ask is read from `read_dsn`, such as a replica's, where there is one. `as_it_is` is for a process of
        an engine that has opened the database already: its schema may be a newer release's by now.

        Raises: UserError with one clear line when a server cannot be reached or refuses.
        """
        if not as_it_is:
            await create_database(dsn)
        keys = KnownKeys()
        pool = await open_pool(dsn, connections, keys.forget)
        try:
            if not as_it_is:
                async with pool.acquire() as connection:
                    await schema.apply(connection)
            store = cls(pool, await open_readers(dsn, read_dsn, connections), keys)
            await store.days.ensure_ahead()
        except Transient as error:
            raise unanswered(error) from error
        return store

    async def check_schema(self) -> None:
        """Raises: PermanentError where a newer release has changed the database since."""
        with translated():
            async with self.pool.acquire() as connection:
                await schema.check(connection)

    async def close(self) -> None:
        """Close the pool, by force when it does not end by itself."""
        await asyncio.gather(_closed(self.pool), _closed(self.readers))

    async def open_term(self, cluster: str, topic: str, partition: int, owner: str, topic_id: str = "") -> Opening:
        """Become the owner of a partition: earlier owners are fenced from this moment. Raises Rekeyed."""
        # Whoever deletes everything fences us, so that we come here.
        self.keys.forget()
        with translated():
            await self.pool.execute(statements.BEGIN_COUNTING, cluster, topic)
        row = await self._fetchrow(statements.OPEN_TERM, cluster, topic, partition, owner, topic_id)
        if row is None:
            raise Rekeyed(f"{topic} is read through a copy that is keyed by user")
        return _opening(row)

    async def begin_incarnation(self, term: "Term", topic_id: str, offset: int) -> Opening:
        """Read another log under the same name from `offset` on. Raises Fenced when another owner took over."""
        row = await self._fetchrow(
            statements.BEGIN_INCARNATION, term.cluster, term.topic, term.partition, term.epoch, topic_id, offset
        )
        if row is None:
            raise Fenced(f"partition {term.partition}: another owner opened it meanwhile")
        return _opening(row)

    async def close_term(self, term: "Term") -> None:
        """End a term in good order."""
        with translated():
            await self.pool.execute(statements.CLOSE_TERM, term.cluster, term.topic, term.partition, term.epoch)

    async def mark_attempt(self, term: "Term", size: int) -> None:
        """Note that a batch of `size` records is about to be scored by a process that may die of it."""
        with translated():
            await self.pool.execute(statements.MARK_ATTEMPT, term.cluster, term.topic, term.partition, term.epoch, size)

    async def commit(self, prepared: "Prepared", *, waits: bool = True) -> None:
        """Store a batch behind its fences, with the days that it needs. Raises: as `committing.commit`."""
        # What writes batches is compiled and takes long to import, for commands that only read.
        from services.store.committing import commit

        await self.days.ensure(prepared.batch.days, simulated=prepared.batch.simulated)
        with translated():
            connection = await self.pool.acquire()
        try:
            await commit(connection, prepared, self.keys, waits=waits)
        except Transient:
            self.days.forget()
            raise
        finally:
            # A connection that breaks only now must not hide whether the batch was stored.
            with suppress(StoreError), translated():
                await self.pool.release(connection)

    async def any_committed(self, transactions: Sequence[str]) -> bool:
        """Whether one of the transactions of these numbers was committed. None of them may be open any more."""
        with translated():
            return bool(await self.pool.fetchval(statements.ANY_COMMITTED, transactions))

    async def known(self, ids: Sequence[str], first: datetime, last: datetime) -> dict[str, list[Content]]:
        """Of the ids of transactions those that are stored, each with all that are stored of it.

        Looked for is up to `ID_WINDOW` before the `first` of their event times and after the `last`: an id may be
        stored on several days, and some of them may be far from the transaction that has it here.
        """
        if not ids:
            return {}
        rows = await self._fetch(statements.STORED_IDS, ids, *around(first, last))
        known: dict[str, list[Content]] = {}
        for ident, *content in rows:
            known.setdefault(ident, []).append((content[0], content[1], content[2]))
        return known

    async def profiles(self, users: Sequence[str], state_version: int) -> dict[str, bytes]:
        """The committed states of these users, encoded as in this version or an older one; unknown users are left out.

        Raises: NewerProfile.
        """
        rows = await self._fetch(statements.LOAD_PROFILES, users)
        for user, _, version in rows:
            if version > state_version:
                raise NewerProfile(user, version, state_version)
        return {user: state for user, state, _ in rows}

    async def profile(self, user_id: str, state_version: int) -> bytes | None:
        """One user's committed state, encoded."""
        async with reading(self.readers) as connection:
            state: bytes | None = await connection.fetchval(statements.PROFILE, user_id, state_version)
        return state

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        """The newest dead letters, newest first."""
        async with reading(self.readers) as connection:
            return tuple(map(dead_letter, await connection.fetch(queries.DEAD_LETTERS, limit)))

    async def history(self, filter: Filter, limit: int) -> tuple[ScoredTransaction, ...]:
        """Stored transactions that match, newest first, numbered -1, -2, ..."""
        return tuple([row async for row in self.search.newest(filter, limit)])

    async def stored_anomalies(
        self, filter: Filter, before: datetime | None, limit: int
    ) -> tuple[ScoredTransaction, ...]:
        """Stored flagged transactions that match, up to the event time `before`."""
        return await self.search.anomalies(filter, before, limit)

    async def fit_history(self, limit: int) -> list[Transaction]:
        """The newest `limit` transactions, oldest first."""
        rows = await self._fetch(statements.FIT_HISTORY, limit)
        return [transaction_of(row) for row in rows]

    async def in_stored_order(self) -> AsyncIterator[tuple[Transaction, str | None, str | None]]:
        """Every transaction as profiles learnt them, in that order, with its enhanced verdict's version and status."""
        async with streamed(self.pool, statements.IN_STORED_ORDER, at_once=5000) as rows:
            async for row in rows:
                yield transaction_of(row), row["model_version"], row["status"]

    async def learnt_up_to(self, transaction_id: str, limit: int) -> list[tuple[Transaction, str | None, str | None]]:
        """The newest `limit` transactions that the user's profile had learnt up to this one, which comes last.

        Each with its enhanced verdict's version and status, as of `in_stored_order`.
        """
        async with reading(self.readers) as connection:
            rows = await connection.fetch(statements.LEARNT_UP_TO, transaction_id, limit)
        return [(transaction_of(row), row["model_version"], row["status"]) for row in reversed(rows)]

    async def clock(self) -> Clock:
        """The stream's clock as engines left it last; what commands count back from."""
        row = await self._fetchrow(statements.CLOCK)
        return LIVE if row is None or row["kind"] == "live" else Clock(row["kind"], row["at"])

    async def keep_clock(self, clock: Clock) -> None:
        """Keep the stream's clock for commands and for engines to come."""
        with translated():
            await self.pool.execute(statements.KEEP_CLOCK, clock.kind, clock.at)

    async def ping(self) -> None:
        """Returns when PostgreSQL answers. Raises Transient."""
        with translated():
            await self.pool.fetchval("SELECT 1", timeout=5)

    async def count(self) -> int:
        """How many transactions are stored."""
        with translated():
            return int(await self.pool.fetchval(statements.COUNT_TRANSACTIONS))

    async def save_model(
        self, version: str, detector: str, trained_rows: int, body: bytes, figures: dict[str, Any]
    ) -> None:
        """Keep a fitted model; `figures` describe its fit to people."""
        described = msgspec.json.encode(figures).decode()
        with translated():
            await self.pool.execute(statements.SAVE_MODEL, version, detector, trained_rows, body, FORMAT, described)

    async def latest_model(self, detector: str) -> tuple[str, int, bytes] | None:
        """Version, trained rows and body of the model in use, or None before the first fit of this release."""
        row = await self._fetchrow(statements.LATEST_MODEL, detector, FORMAT)
        return None if row is None else (row["version"], row["trained_rows"], row["body"])

    async def model(self, detector: str, version: str) -> bytes | None:
        """The body of one version, or None where there is none that can be used."""
        row = await self._fetchrow(statements.MODEL, detector, version, FORMAT)
        return None if row is None else row["body"]

    async def models(self) -> list[Any]:
        """Every version of both detectors, the one taken into use last first."""
        rows: list[Any] = await self._fetch(statements.MODELS, FORMAT)
        return rows

    async def use_model(self, version: str) -> bool:
        """Take a version into use, of every detector that has it; False when none has."""
        with translated():
            done: str = await self.pool.execute(statements.USE_MODEL, version, FORMAT)
        return done != "UPDATE 0"

    async def save_profiles(
        self, states: dict[str, bytes], flagged: Mapping[str, int], state_version: int, model_version: str
    ) -> None:
        """Replace profiles outside a batch, with the flagged transactions of each; only while no engine runs.

        They are nobody's: the first partition that a user's transaction comes from makes the profile its own.
        """
        users = sorted(states)
        with translated():
            await self.pool.execute(
                statements.SAVE_PROFILES,
                users,
                [states[user] for user in users],
                [flagged.get(user, 0) for user in users],
                [-1] * len(users),
                [0] * len(users),
                state_version,
                model_version,
                "",
                "",
            )

    async def totals(self) -> dict[str, Any]:
        """Counts for `stats`: transactions, verdicts and flagged by detector, dead letters."""
        async with reading(self.readers) as connection:
            verdicts = await connection.fetch(statements.VERDICT_COUNTS)
            return {
                "transactions": await connection.fetchval(statements.COUNT_TRANSACTIONS),
                "verdicts": {row["detector"]: row["verdicts"] for row in verdicts},
                "flagged": {row["detector"]: row["flagged"] for row in verdicts},
                "dead_letters": await connection.fetchval(statements.COUNT_DEAD_LETTERS),
            }

    async def quality(self, since: datetime | None = None) -> tuple[DetectorQuality, ...]:
        """Stored verdicts against ground truth, from event time `since` on; it reads all of them."""
        scoreboard = Scoreboard()
        async with reading(self.readers) as connection:
            rows = await connection.fetch(statements.QUALITY, since or datetime(1, 1, 1, tzinfo=UTC))
        for row in rows:
            scoreboard.count(
                row["detector"],
                row["anomalous"],
                row["kind"],
                flagged=row["flagged"],
                verdicts=row["verdicts"],
                score=row["score"],
            )
        return scoreboard.qualities

    async def progress(self) -> list[dict[str, Any]]:
        """Every partition's position."""
        return [dict(row) for row in await self._fetch(statements.PROGRESS)]

    async def heartbeat(self, instance: str, started_at: datetime, status: str) -> None:
        """Record for other processes that this engine lives; `status` is JSON."""
        with translated():
            await self.pool.execute(statements.HEARTBEAT, instance, started_at, status)

    async def live_engines(self) -> list[dict[str, Any]]:
        """The status of every engine that gave a sign of life in the last 10 s."""
        rows = await self._fetch(statements.LIVE_ENGINES)
        return [{**row, **msgspec.json.decode(row["status"])} for row in rows]

    async def forget_engine(self, instance: str) -> None:
        """Take this engine off the list."""
        with translated():
            await self.pool.execute(statements.FORGET_ENGINE, instance)

    async def reset(self) -> None:
        """Delete everything that was stored; the schema stays."""
        with translated():
            async with self.pool.acquire() as connection, connection.transaction():
                await connection.execute(statements.ONE_CHANGE)
                await self.days.drop_all(connection)
                await connection.execute(statements.RESET)
        self.keys.forget()
        await self.days.ensure_ahead()

    async def _fetch(self, query: str, *parameters: Any) -> list[Any]:
        with translated():
            return list(await self.pool.fetch(query, *parameters))

    async def _fetchrow(self, query: str, *parameters: Any) -> Any:
        with translated():
            return await self.pool.fetchrow(query, *parameters)


def _opening(row: Any) -> Opening:
    found = dict(row)
    return Opening(account=Account(**{kind: found.pop(kind) for kind in KINDS}), **found)


async def _closed(pool: Any) -> None:
    try:
        # asyncpg waits for ever for a connection that a cancelled task still holds.
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        pool.terminate()
