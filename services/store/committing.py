"""The fenced transaction that stores a batch."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any, NamedTuple

import asyncpg

from services.store import statements
from services.store.batch import Batch, Part, Prepared
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
    "kafka_partition",
    "next_offset",
    "state_version",
    "model_version",
    "cluster",
    "topic",
)


async def commit(connection: Any, prepared: Prepared, keys: KnownKeys, *, waits: bool = True) -> None:
    """Store a batch in one transaction behind the fences of its partitions; `waits` for whoever holds one or a profile,
    if so asked, else for half a second at most.

    Raises: Fenced when another owner took over, or holds a fence that is not waited for; ForeignProfile when a profile
    is another partition's; CommitUnanswered when nobody knows whether it is stored; Transient, BadData or DuplicateId
    as `faults` maps them.
    """
    try:
        await _commit(connection, prepared, keys, waits=waits)
    except ProfileThere:
        known = prepared._replace(batch=prepared.batch._replace(new=frozenset()))
        await _commit(connection, known, keys, waits=waits)


async def _commit(connection: Any, prepared: Prepared, keys: KnownKeys, *, waits: bool) -> None:
    """As `commit`. Raises: ProfileThere too."""
    transaction = connection.transaction()
    with translated():
        await transaction.start()
    try:
        with translated():
            number = await _move_fences(connection, prepared.batch, waits=waits)
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


async def _move_fences(connection: Any, batch: Batch, *, waits: bool) -> str:
    """The number of the transaction. Raises: Fenced."""
    parts = batch.parts
    term = parts[0].term
    accounts = [part.account for part in parts]
    moved = await connection.fetch(
        statements.MOVE_FENCES if waits else statements.MOVE_FREE_FENCES,
        term.cluster,
        term.topic,
        [part.term.partition for part in parts],
        [part.expected for part in parts],
        [part.term.epoch for part in parts],
        [part.following for part in parts],
        [None if part.origin is None else f"{{{','.join(map(str, part.origin.sources))}}}" for part in parts],
        [account.stored for account in accounts],
        [account.resends for account in accounts],
        [account.dead for account in accounts],
        [account.skipped for account in accounts],
        [account.repeats for account in accounts],
        [account.without_record for account in accounts],
        [account.lost for account in accounts],
    )
    if len(moved) < len(parts):
        places = ", ".join(f"partition {part.term.partition} past offset {part.expected}" for part in parts)
        raise Fenced(f"another owner moved {places}" if len(parts) == 1 else f"another owner moved one of {places}")
    number: str = moved[0][0]
    return number


async def _write(connection: Any, prepared: Prepared, keys: KnownKeys) -> None:
    """Everything behind the fences. Raises: ForeignProfile, ProfileThere."""
    batch = prepared.batch
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
    await save_profiles(connection, batch)
    dead = [(*part.place(letter.offset), letter.payload, letter.reason) for part in batch.parts for letter in part.dead]
    if dead:
        cluster = batch.parts[0].term.cluster
        await connection.execute(statements.SAVE_DEAD_LETTERS, cluster, *map(list, zip(*dead, strict=True)))


async def save_profiles(connection: Any, batch: Batch) -> None:
    """The profiles of a batch. Raises: ForeignProfile; ProfileThere where somebody wrote a new one meanwhile."""
    states: dict[str, bytes] = {}
    parts: dict[str, Part] = {}
    for part in batch.parts:
        states.update(part.profiles)
        parts.update(dict.fromkeys(part.profiles, part))
    # Each sorted, so that two batches hardly ever lock the same profiles in opposite order; if so, one is tried again.
    known, new = sorted(states.keys() - batch.new), sorted(batch.new & states.keys())
    for users, save in ((known, _replace_profiles), (new, _add_profiles)):
        if users:
            of = [parts[user] for user in users]
            partitions, offsets = [part.term.partition for part in of], [part.following for part in of]
            flagged = [batch.flagged.get(user, 0) for user in users]
            await save(
                connection, batch, _Profiles(users, [states[user] for user in users], flagged, partitions, offsets)
            )


class _Profiles(NamedTuple):
    """What profiles of a batch have of their own, as columns; the rest is that of all."""

    users: Sequence[str]
    states: Sequence[bytes]
    flagged: Sequence[int]
    partitions: Sequence[int]
    next_offsets: Sequence[int]


async def _replace_profiles(connection: Any, batch: Batch, profiles: _Profiles) -> None:
    term = batch.parts[0].term
    same = batch.state_version, batch.model_version, term.cluster, term.topic
    written = await connection.execute(statements.SAVE_PROFILES, *profiles, *same)
    if written != f"INSERT 0 {len(profiles.users)}":
        of = profiles.users, profiles.partitions, term.cluster, term.topic
        raise ForeignProfile(*await connection.fetchrow(statements.FOREIGN_PROFILE, *of))


async def _add_profiles(connection: Any, batch: Batch, profiles: _Profiles) -> None:
    """COPY takes half of what the statement above takes, which looks first whether there is a profile."""
    term = batch.parts[0].term
    same = map(repeat, (batch.state_version, batch.model_version, term.cluster, term.topic))
    try:
        await connection.copy_records_to_table(
            "profiles", records=zip(*profiles, *same, strict=False), columns=PROFILE_COLUMNS
        )
    except asyncpg.UniqueViolationError as error:
        raise ProfileThere(str(error)) from error
