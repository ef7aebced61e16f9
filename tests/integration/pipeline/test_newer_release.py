"""A newer release changes the database beside a pipeline that runs, or an older one has left it something."""

import msgspec
import pytest

from detectors.formats import STATE_VERSION
from detectors.state import UserState
from services.brokers.broker import Broker
from services.errors import PermanentError
from services.models import schedule
from services.pipeline.consumer import Pipeline
from services.pipeline.partition import PartitionFailed
from services.sending.producer import Sender
from services.store import schema
from services.store.faults import NewerProfile
from services.store.store import Store
from tests.consuming import Consumer, Rows, send, simulated

WARMING = schedule.warming("both")
NEWER = 999


@pytest.fixture
async def stored(broker: Broker, store: Store, sender: Sender) -> Rows:
    """400 transactions that were sent, of which half are stored; and a table that is then another one."""
    rows = simulated(400)
    async with Consumer(broker, store, WARMING, batch_size=50) as consumer:
        await send(sender, rows[:200])
        await consumer.drained(sender)
    await store.pool.execute("ALTER TABLE transactions RENAME COLUMN city TO town")
    await send(sender, rows[200:])
    await sender.flush()
    return rows


async def failure_of(pipeline: Pipeline) -> Exception:
    """What ends it, as the supervisor runs it."""
    try:
        await pipeline.startup()
        with pytest.raises((PartitionFailed, PermanentError)) as failed:
            await pipeline.main_loop()
        return failed.value
    except PermanentError as error:
        return error
    finally:
        await pipeline.shutdown()


async def test_a_table_that_is_another_one_buries_no_record(
    broker: Broker, store: Store, sender: Sender, stored: Rows
) -> None:
    # After the second such end a record would be tried alone, and after the third be a dead letter.
    for _ in range(4):
        failure = await failure_of(Consumer(broker, store, WARMING).pipeline)
        assert 'column "city" of relation "transactions" does not exist' in str(failure)
    await store.pool.execute("ALTER TABLE transactions RENAME COLUMN town TO city")
    async with Consumer(broker, store, WARMING) as again:
        await again.drained(sender)
    assert (await store.count(), await store.dead_letters(1)) == (len(stored), ())


async def test_a_table_that_is_another_one_is_blamed_on_no_record_that_is_tried_alone(
    broker: Broker, store: Store, sender: Sender
) -> None:
    rows = simulated(1)
    await store.pool.execute("ALTER TABLE transactions RENAME COLUMN city TO town")
    await send(sender, rows)
    await sender.flush()
    for _ in range(6):
        await failure_of(Consumer(broker, store, WARMING).pipeline)
    await store.pool.execute("ALTER TABLE transactions RENAME COLUMN town TO city")
    async with Consumer(broker, store, WARMING) as again:
        await again.drained(sender)
    assert (await store.count(), await store.dead_letters(1)) == (len(rows), ())


async def test_a_pipeline_whose_tables_a_newer_release_changed_says_what_to_do(
    broker: Broker, store: Store, stored: Rows
) -> None:
    pipeline = Consumer(broker, store, WARMING).pipeline
    assert isinstance(await failure_of(pipeline), PartitionFailed)
    await store.pool.execute("INSERT INTO schema_version (version) VALUES ($1)", NEWER)
    failure = await failure_of(pipeline)
    known = schema.migrations()[-1].version
    assert isinstance(failure, PermanentError)
    assert str(failure) == f"The database has schema version {NEWER}, this program knows {known}: upgrade anomaly-tui."


async def test_a_pipeline_goes_on_beside_a_newer_release_that_only_adds(
    broker: Broker, store: Store, sender: Sender
) -> None:
    rows = simulated(400)
    async with Consumer(broker, store, WARMING, batch_size=50) as consumer:
        await send(sender, rows[:200])
        await consumer.drained(sender)
        await store.pool.execute(
            "ALTER TABLE transactions ADD COLUMN more text; ALTER TABLE progress ADD COLUMN more text"
        )
        await store.pool.execute("INSERT INTO schema_version (version) VALUES ($1)", NEWER)
        await send(sender, rows[200:])
        await consumer.drained(sender)
    assert await store.count() == len(rows)


async def test_profiles_of_older_releases_are_learnt_on(broker: Broker, store: Store, sender: Sender) -> None:
    assert WARMING.enhanced is not None
    rows = simulated(600)
    async with Consumer(broker, store, WARMING) as consumer:
        await send(sender, rows[:300])
        await consumer.drained(sender)
    users = await store.pool.fetch("SELECT user_id, state FROM profiles ORDER BY user_id")
    # The first form, and the one of now under a version that is past.
    for user, state in users[::2]:
        first = msgspec.msgpack.encode(UserState.from_bytes(state).habits())
        await store.pool.execute("UPDATE profiles SET state = $2 WHERE user_id = $1", user, first)
    await store.pool.execute("UPDATE profiles SET state_version = $1", STATE_VERSION - 1)
    async with Consumer(broker, store, WARMING) as consumer:
        await send(sender, rows[300:])
        await consumer.drained(sender)
    states: dict[str, UserState] = {}
    WARMING.enhanced.score([row async for row, _, _ in store.in_stored_order()], states)
    found = await store.profiles(sorted(states), STATE_VERSION)
    assert {user: UserState.from_bytes(state) for user, state in found.items()} == states


async def test_a_profile_of_a_newer_release_is_refused_and_not_begun_anew(
    broker: Broker, store: Store, sender: Sender
) -> None:
    rows = simulated(200)
    known = {transaction.user_id for transaction, _ in rows[:100]}
    async with Consumer(broker, store, WARMING) as consumer:
        await send(sender, rows[:100])
        await consumer.drained(sender)
    await store.pool.execute("UPDATE profiles SET state_version = $1", STATE_VERSION + 1)
    before = await store.pool.fetch("SELECT user_id, state FROM profiles ORDER BY user_id")
    consumer = Consumer(broker, store, WARMING)
    await consumer.pipeline.startup()
    # A partition of newcomers only has no profile to refuse, and would store them.
    await send(sender, [row for row in rows[100:] if row[0].user_id in known])
    with pytest.raises(
        NewerProfile, match=rf"has version {STATE_VERSION + 1}, this program knows {STATE_VERSION}: upg"
    ):
        await consumer.pipeline.main_loop()
    await consumer.pipeline.shutdown()
    assert await store.pool.fetch("SELECT user_id, state FROM profiles ORDER BY user_id") == before
    assert (await store.count(), await store.dead_letters(1)) == (100, ())
