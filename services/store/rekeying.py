"""Topics that are re-keyed by user: who copies them, how far, and what is behind over both hops."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import asyncpg

from services.store import rekeying_statements, statements
from services.store.faults import Fenced, StoreError, translated


def by_user(topic: str) -> str:
    """The usual name of the copy of `topic` that is keyed by user."""
    return f"{topic}-by-user"


def place_of(incarnation: int, offset: int) -> int:
    """Where a record is among all that a partition ever had, also as another topic of the same name."""
    return incarnation << 48 | offset


class Taken(NamedTuple):
    """A partition of the original as its re-keyer took it: it copies from `next_offset` on, within `epoch`.

    `incarnation` is 0 as long as nothing of it was read; `topic_id` is the id of the topic that was read last.
    `delivered` is where each partition of the copy, named `copy`, ended when `next_offset` was stored.
    """

    next_offset: int
    epoch: int
    topic_id: str
    incarnation: int
    delivered: Sequence[int]
    copy: str


class Moved(NamedTuple):
    """How far a partition of the original was copied: `copied` records up to the offset `following`."""

    following: int
    copied: int


class Sources:
    """The partitions of a topic in the hands of the one process that holds the lock on it.

    All of it goes over the connection that holds the lock: a process that loses the one can no longer use the other.
    """

    def __init__(self, connection: Any, cluster: str, topic: str) -> None:
        self._connection = connection
        self._at = (cluster, topic)
        self._epochs: dict[int, int] = {}

    async def take(self, partitions: int, owner: str, topic_id: str, copy: str) -> dict[int, Taken]:
        """Fence every owner and re-keyer of before. Raises Transient; Fenced where it has another copy now."""
        with translated():
            await self._connection.execute(statements.BEGIN_COUNTING, *self._at)
            rows = await self._connection.fetch(
                rekeying_statements.TAKE_SOURCES, *self._at, partitions, owner, topic_id, copy
            )
        taken = {partition: Taken(*rest) for partition, *rest in rows}
        if any(each.copy != copy for each in taken.values()):
            raise Fenced(f"{self._at[1]} has another copy now")
        self._epochs = {partition: each.epoch for partition, each in taken.items()}
        return taken

    async def begin(self, partition: int, taken: Taken, topic_id: str, offset: int) -> Taken:
        """Read the first log of a partition, or the one that took its place. Raises Fenced, Transient."""
        epoch = self._epochs[partition]
        with translated():
            row = await self._connection.fetchrow(
                statements.BEGIN_INCARNATION, *self._at, partition, epoch, topic_id, offset
            )
        if row is None:
            raise Fenced(f"another engine re-keys {self._at[1]} now")
        return taken._replace(next_offset=row["next_offset"], topic_id=row["topic_id"], incarnation=row["incarnation"])

    async def pass_over(self, partition: int, following: int, copied: int, delivered: Sequence[int]) -> None:
        """Go on at `following`, before which Kafka has deleted what was next: `copied` of it had been copied.

        Raises: Fenced, Transient.
        """
        with translated():
            moved = await self._connection.execute(
                rekeying_statements.SKIP_EXPIRED,
                *self._at,
                partition,
                self._epochs[partition],
                following,
                copied,
                delivered,
            )
        if moved != "UPDATE 1":
            raise Fenced(f"another engine re-keys {self._at[1]} now")

    async def move(self, moved_by: Mapping[int, Moved], delivered: Sequence[int]) -> None:
        """Store the next offsets; `delivered` is where each partition of the copy ends. Raises Fenced, Transient."""
        partitions = sorted(moved_by)
        with translated():
            moved = await self._connection.execute(
                rekeying_statements.MOVE_SOURCES,
                *self._at,
                partitions,
                [self._epochs[partition] for partition in partitions],
                *([moved_by[partition][column] for partition in partitions] for column in range(2)),
                delivered,
            )
        if moved != f"UPDATE {len(partitions)}":
            raise Fenced(f"another engine re-keys {self._at[1]} now")


class Rekeying:
    """What PostgreSQL knows of re-keyed topics. Its methods raise Transient."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def copy_of(self, cluster: str, topic: str) -> str | None:
        """The name of the copy through which the topic is read; None where it is read as it is."""
        with translated():
            found: str | None = await self._pool.fetchval(rekeying_statements.COPY_OF, cluster, topic)
        return found

    async def switch(self, cluster: str, topic: str, partitions: int, copy: str) -> None:
        """Read the topic through a copy from now on, for good. Every owner of one of its partitions is fenced.

        `copy` is its name, unless another engine has just chosen one.
        """
        with translated():
            await self._pool.execute(rekeying_statements.TAKE_SOURCES, cluster, topic, partitions, "", "", copy)

    async def replace_copy(self, cluster: str, topic: str, *, lost: str, another: str) -> None:
        """Read the topic through the copy `another` from now on, unless it is read through `lost` no more.

        What was stored from the lost one stays; all else is copied again. Whoever copies or scores is fenced.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                originals = await connection.fetch(rekeying_statements.NAME_ANOTHER_COPY, cluster, topic, lost, another)
                if not originals:
                    return
                copies = await connection.fetch(rekeying_statements.RETIRE_COPY, cluster, lost)
                await connection.execute(rekeying_statements.TAKE_PLACE, cluster, lost, another)
                back = {
                    row["partition"]: at
                    for row in originals
                    if (at := stored_through(row, originals, copies)) < row["next_offset"]
                }
                await connection.execute(rekeying_statements.COPY_AGAIN, cluster, topic, [*back], [*back.values()])
                await connection.execute(rekeying_statements.FORGET_DELIVERED, cluster, topic)

    async def hops(self, cluster: str, topic: str) -> list[dict[str, Any]]:
        """The positions of the topic and of its copy, at one moment; for `behind`."""
        with translated():
            return [dict(row) for row in await self._pool.fetch(rekeying_statements.HOPS, cluster, topic)]

    @asynccontextmanager
    async def locked(self, cluster: str, topic: str) -> AsyncIterator[Sources | None]:
        """The partitions of the topic, for one process at a time; None while another has them."""
        with translated():
            connection = await self._pool.acquire()
        try:
            with translated():
                free = await connection.fetchval(rekeying_statements.LOCK_SOURCES, cluster, topic)
            yield Sources(connection, cluster, topic) if free else None
        finally:
            await _unlock(connection)
            await self._pool.release(connection)


async def _unlock(connection: Any) -> None:
    """A connection goes back to its pool as it is, perhaps with a lock of which we were cancelled before we knew."""
    unlocked = False
    try:
        with suppress(StoreError), translated():
            await connection.execute(rekeying_statements.UNLOCK)
            unlocked = True
    finally:
        if not unlocked:
            # It may be closed already, which asyncpg does not like to be told again.
            with suppress(asyncpg.InterfaceError):
                connection.terminate()


def behind(rows: Iterable[Mapping[str, Any]], topic: str, ends: Mapping[int, int]) -> int:
    """How many records of `topic` before these end offsets (by partition) are not stored yet.

    `rows` are the positions of the topic and, where it is re-keyed, of its copy. Then what waits in the copy counts
    too, also what came from behind `ends`; but it is 0 as soon as all before `ends` is stored, whatever comes behind.
    """
    rows = list(rows)
    originals = {row["partition"]: row for row in rows if row["topic"] == topic}
    reached: dict[int, int] = {partition: row["next_offset"] for partition, row in originals.items()}
    first_hop = sum(max(0, end - reached.get(partition, 0)) for partition, end in ends.items())
    if not any(row["rekeyed"] for row in originals.values()):
        return first_hop
    copies = {row["partition"]: row for row in rows if row["topic"] != topic}
    second_hop, passed = 0, first_hop == 0
    for partition, end in enumerate(delivered_to(row["delivered"] for row in originals.values())):
        copy = copies.get(partition)
        waiting = end - (copy["next_offset"] if copy else 0)
        if waiting > 0:
            second_hop += waiting
            passed = passed and copy is not None and _is_past(copy["sources"], originals, ends)
    return 0 if passed else max(1, first_hop + second_hop)


def stored_through(
    original: Mapping[str, Any], originals: Iterable[Mapping[str, Any]], copies: Iterable[Mapping[str, Any]]
) -> int:
    """The offset of a partition of the original before which all that was copied is stored.

    A partition of the copy that is stored as far as it was delivered has nothing more of it; of another one the next
    place tells.
    """
    found = {row["partition"]: row for row in copies}
    at = int(original["next_offset"])
    for partition, end in enumerate(delivered_to(row["delivered"] for row in originals)):
        copy = found.get(partition)
        if copy is not None and copy["next_offset"] >= end:
            continue
        incarnation, offset = divmod(_at(copy["sources"] if copy else (), original["partition"]), 1 << 48)
        at = min(at, offset if incarnation == original["incarnation"] else int(original["first_offset"]))
    return max(at, int(original["first_offset"]))


def delivered_to(delivered: Iterable[Sequence[int]]) -> list[int]:
    """Where each partition of the copy ended, as far as the partitions of the original know it."""
    ends: list[int] = []
    for known in delivered:
        ends += [0] * (len(known) - len(ends))
        for partition, end in enumerate(known):
            ends[partition] = max(ends[partition], end)
    return ends


def _is_past(sources: Sequence[int], originals: Mapping[int, Mapping[str, Any]], ends: Mapping[int, int]) -> bool:
    return all(
        _at(sources, partition) >= place_of(originals[partition]["incarnation"], end)
        for partition, end in ends.items()
        if end
    )


def _at(offsets: Sequence[int], partition: int) -> int:
    return offsets[partition] if partition < len(offsets) else 0
