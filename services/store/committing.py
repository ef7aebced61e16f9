"""The fenced transaction that stores a batch."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg

from services.store import statements
from services.store.batch import Batch, Prepared
from services.store.binary import rows
from services.store.columns import STORED_COLUMNS
from services.store.faults import (
    CommitUnanswered,
    Fenced,
    ForeignProfile,
    ProfileThere,
    StoreError,
    Transient,
    translated,
)
from services.store.words import KnownKeys

PROFILE_COLUMNS = (
    "user_id",
    "state",
    "flagged",
    "state_version",
    "model_version",
    "cluster",
    "topic",
    "kafka_partition",
    "next_offset",
)


async def commit(connection: Any, prepared: Prepared, keys: KnownKeys) -> None:
    """Store a batch in one transaction behind the fence.

    Raises: Fenced when another owner took over; ForeignProfile when a profile is another partition's; CommitUnanswered
    when nobody knows whether it is stored; Transient, BadData or DuplicateId as `faults` maps them.
    """
    try:
        await _commit(connection, prepared, keys)
    except ProfileThere:
        await _commit(connection, prepared._replace(batch=prepared.batch._replace(new=frozenset())), keys)


async def _commit(connection: Any, prepared: Prepared, keys: KnownKeys) -> None:
    """As `commit`. Raises: ProfileThere too."""
    transaction = connection.transaction()
    with translated():
        await transaction.start()
    try:
        with translated():
            number = await _move_fence(connection, prepared.batch)
            await _write(connection, prepared, keys)
    except BaseException:
        with suppress(StoreError), translated():
            await transaction.rollback()
        raise
    try:
        with translated():
            await transaction.commit()
    except Transient as error:
        raise CommitUnanswered(number, str(error)) from error


async def _move_fence(connection: Any, batch: Batch) -> str:
    """The number of the transaction. Raises: Fenced."""
    term, account = batch.term, batch.account
    number: str | None = await connection.fetchval(
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
    if number is None:
        raise Fenced(f"partition {term.partition}: another owner moved past offset {batch.expected}")
    return number


async def _write(connection: Any, prepared: Prepared, keys: KnownKeys) -> None:
    """Everything behind the fence. Raises: ForeignProfile, ProfileThere."""
    batch = prepared.batch
    term = batch.term
    if batch.rows:
        versions = await keys.of_versions(
            connection,
            {each.detector: each.named.words for each in prepared.versions},
            lambda: {each.detector: each.usual for each in prepared.versions},
        )
        briefs = await keys.of_briefs(connection, {word for each in prepared.briefs for word in each.words})
        columns = [*prepared.columns]
        for version, brief in zip(prepared.versions, prepared.briefs, strict=True):
            columns += (*version.columns(versions), brief.column(briefs, "i2"))
        await connection.copy_to_table("transactions", source=rows(columns), columns=STORED_COLUMNS, format="binary")
    if batch.profiles:
        await save_profiles(connection, batch)
    if batch.dead:
        places = [batch.place(dead.offset) for dead in batch.dead]
        await connection.execute(
            statements.SAVE_DEAD_LETTERS,
            term.cluster,
            *map(list, zip(*places, strict=True)),
            [dead.payload for dead in batch.dead],
            [dead.reason for dead in batch.dead],
        )


async def save_profiles(connection: Any, batch: Batch) -> None:
    """The profiles of a batch. Raises: ForeignProfile; ProfileThere where somebody wrote a new one meanwhile."""
    # Each sorted, so that two batches hardly ever lock the same profiles in opposite order; if so, one is tried again.
    known, new = sorted(batch.profiles.keys() - batch.new), sorted(batch.new & batch.profiles.keys())
    if known:
        await _replace_profiles(connection, batch, known)
    if new:
        await _add_profiles(connection, batch, new)


async def _replace_profiles(connection: Any, batch: Batch, users: Sequence[str]) -> None:
    term = batch.term
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


async def _add_profiles(connection: Any, batch: Batch, users: Sequence[str]) -> None:
    """COPY takes half of what the statement above takes, which looks first whether there is a profile."""
    term = batch.term
    same = batch.state_version, batch.model_version, term.cluster, term.topic, term.partition, batch.following
    try:
        await connection.copy_records_to_table(
            "profiles",
            records=((user, batch.profiles[user], batch.flagged.get(user, 0), *same) for user in users),
            columns=PROFILE_COLUMNS,
        )
    except asyncpg.UniqueViolationError as error:
        raise ProfileThere(str(error)) from error
