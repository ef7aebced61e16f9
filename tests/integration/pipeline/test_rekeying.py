"""A topic that is not keyed by user, on a real PostgreSQL and the embedded broker."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from detectors.state import UserState
from domain.transaction import Transaction
from services.brokers.broker import Broker
from services.commands.replay import StoredConsumer
from services.errors import PermanentError
from services.models import schedule
from services.pipeline.copying import Copier, CopyFailed
from services.pipeline.headers import HeaderReader
from services.pipeline.keying import Keying
from services.pipeline.routing import router
from services.process.lock import EngineLock
from services.sending.pace import Offsets
from services.sending.producer import Outgoing, Sender
from services.store.faults import Transient
from services.store.rekeying import Moved, Sources, by_user
from services.store.store import Store
from tests.consuming import TOPIC, profiles_equal_a_recount, send, simulated
from tests.rekeying import RekeyingConsumer, send_anywhere
from tests.waiting import until

Key = Callable[[Transaction], bytes | None]


@pytest.fixture(scope="module")
def fitted() -> Models:
    return schedule.fit([transaction for transaction, _ in simulated(1500, seed=9)], 1500, "both", USUAL_POLICY)


async def all_is_exact(store: Store, models: Models, count: int) -> bool:
    """Each of `count` transactions once, and every profile has seen those of its user, in the order stored."""
    seen = {
        row["user_id"]: UserState.from_bytes(row["state"]).seen
        for row in await store.pool.fetch("SELECT user_id, state FROM profiles")
    }
    stored = dict(await store.pool.fetch("SELECT user_id, count(*) FROM transactions GROUP BY 1"))
    assert models.enhanced is not None
    return (
        await store.count() == count
        and (await store.totals())["verdicts"] == {"basic": count, "enhanced": count}
        and seen == stored
        and await profiles_equal_a_recount(store, models.enhanced)
    )


def card(transaction: Transaction) -> bytes:
    return b"card-%d" % (len(transaction.user_id) % 3)


def no_key(transaction: Transaction) -> None:
    return None


def user_as_json(transaction: Transaction) -> bytes:
    return msgspec.json.encode(transaction.user_id)


def user_as_text(transaction: Transaction) -> bytes:
    return transaction.user_id.encode()


async def test_a_re_keyer_that_is_stopped_stays_so_whatever_goes_wrong_at_its_end(
    broker: Broker, store: Store, sender: Sender, fitted: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Copier, "close", refuse_to_close)
    async with RekeyingConsumer(broker, store, fitted) as consumer:
        await send_anywhere(sender, simulated(50))
        await until(lambda: consumer.rekeyer is not None and consumer.rekeyer.figures.active)
        async with asyncio.timeout(10):
            await consumer.kill_rekeyer()


def refuse_to_close(copier: Copier) -> None:
    raise CopyFailed("the broker is gone")


@pytest.mark.parametrize("key", [no_key, card])
async def test_profiles_are_exact_where_records_are_not_keyed_by_user(
    broker: Broker, store: Store, sender: Sender, fitted: Models, key: Key
) -> None:
    rows = simulated(1_500)
    async with RekeyingConsumer(broker, store, fitted) as consumer:
        await send_anywhere(sender, rows, key)
        await consumer.drained(sender)
        assert consumer.rekeyer is not None
        figures = consumer.rekeyer.figures
        assert (figures.active, figures.lag, figures.repeats) == (True, 0, 0)
        assert figures.cost_us > 0
    assert await all_is_exact(store, fitted, len(rows))


async def test_what_lay_in_kafka_is_learnt_in_the_order_of_event_times(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(1_000)
    await send_anywhere(sender, rows)
    await sender.flush()
    async with RekeyingConsumer(broker, store, fitted) as consumer:
        await consumer.drained(sender)
    learnt: dict[str, list[str]] = {}
    async for transaction, _, _ in store.in_stored_order():
        learnt.setdefault(transaction.user_id, []).append(transaction.transaction_id)
    happened: dict[str, list[str]] = {}
    for transaction, _ in rows:
        happened.setdefault(transaction.user_id, []).append(transaction.transaction_id)
    assert learnt == happened


async def test_a_backlog_is_copied_up_to_the_next_fit_and_no_further_before_it(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(1_200)
    await send_anywhere(sender, rows)
    await sender.flush()
    stored_at_fits: list[int] = []

    async def until_fit() -> int:
        """A fit is due every 500 transactions."""
        stored = await store.count()
        stored_at_fits.append(stored)
        return 500 - stored % 500

    async with RekeyingConsumer(broker, store, fitted, keyed="rekey", until_fit=until_fit) as consumer:
        await consumer.drained(sender)
    assert {500, 1_000} <= set(stored_at_fits) <= {0, 500, 1_000}
    happened = [transaction.transaction_id for transaction, _ in rows]
    stored = [transaction.transaction_id async for transaction, _, _ in store.in_stored_order()]
    assert set(stored[:500]) == set(happened[:500])
    assert set(stored[:1_000]) == set(happened[:1_000])


async def test_a_backlog_is_what_waits_in_both_hops(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(3_000)
    await send_anywhere(sender, rows)
    await sender.flush()
    fit = asyncio.Event()

    async def until_fit() -> int:
        if await store.count() >= 1_000:
            await fit.wait()
            return 1_000_000
        return 1_000 - await store.count()

    async with RekeyingConsumer(broker, store, fitted, keyed="rekey", until_fit=until_fit) as consumer:
        await until(lambda: consumer.bus.transactions == 1_000)
        await until(lambda: (found := consumer.pipeline.backlog) is not None and found.left == 2_000)
        backlog = consumer.pipeline.backlog
        assert backlog is not None
        assert backlog.total == 3_000
        fit.set()
        await consumer.drained(sender)
        await until(lambda: consumer.pipeline.backlog is None)


@pytest.mark.parametrize("key", [user_as_text, user_as_json])
async def test_a_topic_keyed_by_user_is_read_as_it_is(
    broker: Broker, store: Store, sender: Sender, fitted: Models, key: Key
) -> None:
    rows = simulated(400)
    async with RekeyingConsumer(broker, store, fitted) as consumer:
        for transaction, truth in rows:
            await send_anywhere(sender, [(transaction, truth)], key, seed=sum(user_as_text(transaction)))
        await consumer.drained(sender)
    assert consumer.rekeyer is None
    assert await store.rekeying.copy_of(broker.cluster_id, TOPIC) is None
    assert await all_is_exact(store, fitted, len(rows))


async def test_two_producers_that_partition_otherwise_lead_to_re_keying_and_harm_nothing(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(1_000)
    async with RekeyingConsumer(broker, store, fitted) as consumer:
        await send(sender, rows[:400])
        await consumer.drained(sender)
        assert consumer.rekeyer is None
        await send_anywhere(sender, rows[400:], user_as_text)
        await consumer.drained(sender)
        assert consumer.rekeyer is not None
    assert await all_is_exact(store, fitted, len(rows))


async def test_a_user_in_two_partitions_ends_the_worker_where_the_topic_is_said_to_be_keyed(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    (first, truth), (second, _) = simulated(2)
    second = msgspec.structs.replace(second, user_id=first.user_id)
    async with RekeyingConsumer(broker, store, fitted, keyed="user") as consumer:
        await send_anywhere(sender, [(first, truth)], seed=6)
        await consumer.drained(sender)
        await send_anywhere(sender, [(second, truth)], seed=1)
        await sender.flush()
        await until(lambda: consumer.failure is not None)
    assert isinstance(consumer.failure, PermanentError)
    assert str(consumer.failure) == (
        f"The record of transactions partition 1 at offset 0 is of user {first.user_id!r}, whose records came in "
        "partition 0 before: start with --keyed rekey."
    )
    assert await store.count() == 1


async def test_that_a_topic_is_re_keyed_holds_for_later_starts(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(600)
    async with RekeyingConsumer(broker, store, fitted, keyed="rekey") as first:
        await send(sender, rows[:300])
        await first.drained(sender)
    await send(sender, rows[300:])
    async with RekeyingConsumer(broker, store, fitted) as second:
        await second.drained(sender)
        assert second.rekeyer is not None
    with pytest.raises(PermanentError, match="leave --keyed user away"):
        await RekeyingConsumer(broker, store, fitted, keyed="user").pipeline.startup()
    assert await all_is_exact(store, fitted, len(rows))


async def test_an_engine_that_read_the_topic_directly_follows_the_one_that_switched(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(400)
    async with RekeyingConsumer(broker, store, fitted) as consumer:
        await send(sender, rows[:200])
        await consumer.drained(sender)
        await store.rekeying.switch(broker.cluster_id, TOPIC, 4, by_user(TOPIC))
        await send(sender, rows[200:])
        await consumer.drained(sender)
        assert consumer.rekeyer is not None
    assert await all_is_exact(store, fitted, len(rows))


async def test_a_re_keyer_killed_before_it_stored_its_offsets_repeats_records_that_are_dropped(
    broker: Broker, store: Store, sender: Sender, fitted: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = simulated(1_000)
    move, failures = Sources.move, iter(range(2))

    async def fail_twice(self: Sources, following: Mapping[int, Moved], delivered: list[int]) -> None:
        if next(failures, None) is not None:
            raise Transient("the connection is gone")
        await move(self, following, delivered)

    monkeypatch.setattr(Sources, "move", fail_twice)
    async with RekeyingConsumer(broker, store, fitted) as consumer:
        await send_anywhere(sender, rows)
        await consumer.drained(sender)
        assert consumer.bus.repeats > 0
    assert consumer.bus.duplicates == 0
    assert await all_is_exact(store, fitted, len(rows))


async def test_a_re_keyer_that_does_not_know_it_was_replaced_harms_nothing(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(1_200)
    async with RekeyingConsumer(broker, store, fitted) as consumer:
        await send_anywhere(sender, rows[:600])
        await consumer.drained(sender)
        servers = {"bootstrap.servers": broker.bootstrap}
        headers = HeaderReader(broker, "read_committed")
        zombie = Copier(servers, "zombie", TOPIC, by_user(TOPIC), router(None), headers, "read_committed")
        await asyncio.to_thread(zombie.find_copy)
        await asyncio.to_thread(zombie.begin, dict.fromkeys(range(4), 0), dict.fromkeys(range(4), 1))
        sending = asyncio.create_task(send_anywhere(sender, rows[600:], seed=7))
        while zombie.records < 1_000:
            await asyncio.to_thread(zombie.round, 300)
            await asyncio.to_thread(zombie.acknowledged)
        await sending
        await asyncio.to_thread(zombie.close)
        await consumer.drained(sender)
        await until(lambda: consumer.bus.repeats >= 600)
    assert consumer.bus.duplicates == 0
    assert await all_is_exact(store, fitted, len(rows))


async def test_a_re_keyer_that_is_fenced_begins_again_where_the_other_was(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(600)
    async with RekeyingConsumer(broker, store, fitted) as consumer:
        await send_anywhere(sender, rows[:300])
        await consumer.drained(sender)
        await store.rekeying.switch(broker.cluster_id, TOPIC, 4, by_user(TOPIC))
        await send_anywhere(sender, rows[300:])
        await consumer.drained(sender)
    assert await all_is_exact(store, fitted, len(rows))


async def test_one_engine_at_a_time_re_keys(store: Store) -> None:
    async with store.rekeying.locked("c", TOPIC) as first, store.rekeying.locked("c", TOPIC) as second:
        assert first is not None
        assert second is None
    async with store.rekeying.locked("c", TOPIC) as third:
        assert third is not None


async def test_who_loses_the_connection_that_has_the_lock_is_told_nothing_else(store: Store) -> None:
    async def lose() -> None:
        async with store.rekeying.locked("c", TOPIC) as sources:
            assert sources is not None
            # Other tests have locks on the same server.
            await store.pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database "
                "WHERE locktype = 'advisory' AND datname = current_database()"
            )
            raise KeyError

    with pytest.raises(KeyError):
        await lose()
    async with store.rekeying.locked("c", TOPIC) as sources:
        assert sources is not None


async def test_who_is_cancelled_while_he_gets_the_lock_does_not_keep_it(store: Store) -> None:
    async def locked() -> bool:
        async with store.rekeying.locked("c", TOPIC) as sources:
            return sources is not None

    for moment in range(20):
        task = asyncio.create_task(locked())
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await locked()


async def test_dead_letters_are_named_by_their_place_in_the_original(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(100)
    async with RekeyingConsumer(broker, store, fitted, keyed="rekey") as consumer:
        await send_anywhere(sender, rows[:50])
        places = []
        for partition, payload in enumerate((b"{", b"[]", b'{"user_id": "u-1", "timestamp": "2026-03-01T12:00:00Z"}')):
            acknowledged = await (await sender.send(Outgoing(None, payload, []), partition=partition))
            places.append((TOPIC, partition, acknowledged.offset))
        await send_anywhere(sender, rows[50:])
        await consumer.drained(sender)
    letters = await store.dead_letters(10)
    assert sorted((letter.topic, letter.partition, letter.offset) for letter in letters) == places
    assert await all_is_exact(store, fitted, len(rows))


async def test_a_replay_beside_an_engine_that_re_keys_waits_until_all_of_it_is_stored(
    broker: Broker, store: Store, sender: Sender, fitted: Models, tmp_path: Path
) -> None:
    rows = simulated(800)
    engine = EngineLock(tmp_path)
    engine.acquire()
    engine.describe(cluster=broker.cluster_id)
    since = await store.outcomes.now()
    beside = StoredConsumer(store, broker, TOPIC, since, engine, by_id=True)
    async with RekeyingConsumer(broker, store, fitted, keyed="rekey", batch_size=50) as consumer:
        await send(sender, rows)
        await sender.flush()
        assert consumer.pipeline.behind(sender.ends) > 0
        async with asyncio.timeout(60):
            while await beside.lag(sender.ends):
                await asyncio.sleep(0.01)
        assert await store.count() == len(rows)
        await consumer.drained(sender)
        sent = Offsets(by_id=True)
        sent.ids += [transaction.transaction_id for transaction, _ in rows]
        assert (await beside.outcome(sent)).stored == len(rows)
    engine.release()


async def test_a_copy_that_is_there_already_is_never_taken_over(store: Store) -> None:
    async def there(topic: str) -> bool:
        return topic == "payments-by-user"

    first = Keying(store, "cluster", "payments", "rekey", 3, there)
    await first.load()
    assert first.consumed.startswith("payments-by-user-")
    later = Keying(store, "cluster", "payments", "auto", 3, there)
    await later.load()
    assert later.consumed == first.consumed
    await store.reset()
    after = Keying(store, "cluster", "payments", "rekey", 3, there)
    await after.load()
    assert after.consumed not in ("payments-by-user", first.consumed)
