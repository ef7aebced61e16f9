"""Whether a topic is keyed by user, and so read as it is, or through a copy that is."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

import structlog

from services.errors import PermanentError
from services.pipeline.misplaced import Misplaced
from services.store.batch import StoredRow
from services.store.faults import ForeignProfile, Transient
from services.store.rekeying import by_user
from services.store.store import Store

log = structlog.get_logger("rekeyer")

Keyed = Literal["auto", "user", "rekey"]
Answer = TypeVar("Answer")

AGAIN_AFTER = 1.0

COPY = {"retention.ms": "-1", "max.message.bytes": "8388608"}
"""Settings of the topic with the copy: what is not stored yet must not expire, and large records must fit."""


class NotKeyedByUser(Exception):
    """A record in a partition where its user's records do not all come; the message says which and why."""


class CopyLost(Exception):
    """The copy is gone, or has lost records that are not stored yet; the message says which and where."""


class Keying:
    """How one topic of one cluster is read: `topic` is the original, `consumed` the one to consume.

    That it is re-keyed is kept in PostgreSQL, so that several engines and later starts agree; there is no way back,
    because what the copy holds cannot be found in the original again. A topic of one partition never needs it.
    """

    def __init__(
        self,
        store: Store,
        cluster: str,
        topic: str,
        keyed: Keyed,
        partitions: int,
        exists: Callable[[str], Awaitable[bool]],
    ) -> None:
        self.topic = topic
        self.partitions = partitions
        self._copy: str | None = None
        self._exists = exists
        self._store = store
        self._cluster = cluster
        self._keyed = keyed

    @property
    def consumed(self) -> str:
        """The topic that is scored."""
        return self._copy or self.topic

    @property
    def rekeyed(self) -> bool:
        """Whether it is read through a copy."""
        return self._copy is not None

    @property
    def looks(self) -> bool:
        """Whether the keys of records are to be looked at before anything of them is stored."""
        return self._keyed == "auto" and not self.rekeyed and self.partitions > 1

    async def load(self) -> None:
        """Learn what was decided, or decide what needs no look at records. Raises PermanentError."""
        self._copy = await self._decided()
        if self.rekeyed and self._keyed == "user":
            raise PermanentError(
                f"The topic {self.topic} is re-keyed by user since an earlier start: leave --keyed user away, or name "
                "another topic."
            )
        if self._keyed == "rekey" and not self.rekeyed and self.partitions > 1:
            await self._switch("asked for with --keyed rekey")

    async def rekey(self, found: NotKeyedByUser) -> None:
        """Read the topic through a copy from now on. Raises PermanentError where that is not wanted or no help."""
        if self.rekeyed:
            raise PermanentError(
                f"{found}: somebody else writes to {self.consumed}, or it got more partitions; only this program may."
            )
        if self._keyed == "user":
            raise PermanentError(f"{found}: start with --keyed rekey.")
        self._copy = await self._decided()
        if self._copy is None:
            await self._switch(str(found))

    async def replace(self, why: str) -> None:
        """Read the topic through another copy, into which all is copied again that is not stored yet."""
        lost, another = self.consumed, f"{by_user(self.topic)}-{secrets.token_hex(3)}"
        await _answered(
            lambda: self._store.rekeying.replace_copy(self._cluster, self.topic, lost=lost, another=another)
        )
        self._copy = await self._decided()
        log.error("what is not stored is re-keyed again", topic=self.topic, through=self.consumed, why=why)

    async def _decided(self) -> str | None:
        return await _answered(lambda: self._store.rekeying.copy_of(self._cluster, self.topic))

    async def _switch(self, why: str) -> None:
        # A topic that is there already is somebody else's: another database's copy, one from before a reset, or none.
        copy = by_user(self.topic)
        if await self._exists(copy):
            copy = f"{copy}-{secrets.token_hex(3)}"
        await _answered(lambda: self._store.rekeying.switch(self._cluster, self.topic, self.partitions, copy))
        self._copy = await self._decided()
        log.warning("the topic is re-keyed by user from now on", topic=self.topic, through=self.consumed, why=why)

    def of(self, found: Misplaced) -> NotKeyedByUser:
        """What to say of a record."""
        what = "has no key" if found.key is None else f"has the key {found.key[:80]!r}"
        return NotKeyedByUser(f"{self._where(found.partition, found.offset)} of user {found.user!r} {what}")

    def foreign(self, partition: int, rows: Sequence[StoredRow], refused: ForeignProfile) -> NotKeyedByUser:
        """Which of the rows of a partition's batch it was for whose user the store refused a profile."""
        offset = next((row.offset for row in rows if row.transaction.user_id == refused.user), -1)
        return NotKeyedByUser(
            f"{self._where(partition, offset)} is of user {refused.user!r}, whose records came in partition "
            f"{refused.owner} before"
        )

    def _where(self, partition: int, offset: int) -> str:
        return f"The record of {self.consumed} partition {partition} at offset {offset}"


async def _answered(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask PostgreSQL until it answers: that it is away is no reason to give up."""
    while True:
        try:
            return await ask()
        except Transient as error:
            log.warning("PostgreSQL does not answer", error=str(error))
            await asyncio.sleep(AGAIN_AFTER)
