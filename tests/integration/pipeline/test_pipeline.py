"""The delivery protocol on a real PostgreSQL and the embedded broker."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import msgspec
import pytest

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.models import Models
from detectors.state import STATE_VERSION, UserState
from domain.transaction import GroundTruth, Transaction
from services.brokers.broker import Broker
from services.console.bus import Bus
from services.models import schedule
from services.pipeline.consumer import Pipeline
from services.records import wire
from services.sending.producer import Outgoing, Sender, outgoing
from services.store.store import Store
from simulator import Simulator

TOPIC = "transactions"
NOW = datetime.now(UTC)


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Consumer:
    """A pipeline with its bus, started on demand."""

    def __init__(self, broker: Broker, store: Store, models: Models, owner: str = "a", batch_size: int = 200) -> None:
        self.bus = Bus()
        self.models = models
        self.pipeline = Pipeline(
            broker=broker,
            store=store,
            bus=self.bus,
            models=lambda: self.models,
            mapping=None,
            topic=TOPIC,
            group="tests",
            owner=owner,
            batch_size=batch_size,
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Consumer":
        await self.pipeline.startup()
        self._task = asyncio.create_task(self.pipeline.main_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.pipeline.shutdown()

    async def drained(self, sender: Sender) -> None:
        await sender.flush()
        await until(lambda: self.pipeline.behind(sender.ends) == 0)


def simulated(count: int, seed: int = 1) -> list[tuple[Transaction, GroundTruth]]:
    stream = Simulator(users=20, anomaly_rate=0.05, seed=seed, start=NOW - timedelta(minutes=5), rate=50.0).stream()
    return [next(stream) for _ in range(count)]


async def send(sender: Sender, rows: Sequence[tuple[Transaction, GroundTruth]]) -> None:
    for transaction, truth in rows:
        await sender.send(outgoing(transaction, truth, replay=True))


async def profiles_equal_a_recount(store: Store, model: EnhancedModel) -> bool:
    states: dict[str, UserState] = {}
    model.score([transaction async for transaction, _, _ in store.in_stored_order()], states)
    stored = await store.profiles(sorted(states), STATE_VERSION)
    return stored == {user: state.to_bytes() for user, state in states.items()}


@pytest.fixture(scope="module")
def fitted() -> Models:
    return schedule.fit([transaction for transaction, _ in simulated(1500, seed=9)], 1500, "both", 0.005)


async def test_every_transaction_is_stored_once_with_one_verdict_of_each_detector(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(1000)
    async with Consumer(broker, store, fitted) as consumer:
        await send(sender, rows)
        await consumer.drained(sender)
        totals = await store.totals()
    assert totals["transactions"] == 1000
    assert totals["verdicts"] == {"basic": 1000, "enhanced": 1000}
    assert totals["dead_letters"] == 0
    assert {row["partition"]: row["next_offset"] for row in await store.progress() if row["next_offset"]} == sender.ends
    assert fitted.enhanced is not None
    assert await profiles_equal_a_recount(store, fitted.enhanced)
    assert consumer.bus.transactions == 1000


async def test_a_restart_goes_on_where_the_last_commit_was(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(600)
    async with Consumer(broker, store, fitted) as first:
        await send(sender, rows[:300])
        await first.drained(sender)
    await send(sender, rows[300:])
    async with Consumer(broker, store, fitted) as second:
        await second.drained(sender)
    assert await store.count() == 600
    assert second.bus.transactions == 300
    assert fitted.enhanced is not None
    assert await profiles_equal_a_recount(store, fitted.enhanced)


async def test_resends_are_dropped_and_a_reused_id_is_a_dead_letter(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    (first, truth), *_ = simulated(1)
    changed = msgspec.structs.replace(first, amount=first.amount + Decimal(1))
    async with Consumer(broker, store, fitted) as consumer:
        await send(sender, [(first, truth), (first, truth)])
        await consumer.drained(sender)
        await send(sender, [(first, truth), (changed, truth)])
        await consumer.drained(sender)
    assert await store.count() == 1
    assert consumer.bus.duplicates == 2
    (letter,) = await store.dead_letters(5)
    assert "used before" in letter.reason


def poison() -> dict[str, bytes]:
    good = msgspec.json.decode(wire.encode(simulated(1)[0][0]))
    late = (datetime.now(UTC) - timedelta(days=365)).isoformat()
    changes = {
        "currency": {"currency": "QQQ"},
        "days": {"timestamp": late},
        "amount": {"amount": str(2**63 * 1000)},
        "characters": {"merchant": {"name": "x" * 2_000_000}},
        "NUL": {"user_id": "u\0"},
    }
    records = {reason: msgspec.json.encode({**good, **change}) for reason, change in changes.items()}
    records["JSON"] = b'{"transaction_id": '
    records["surrogate"] = wire.encode(simulated(1)[0][0]).replace(b"u-", b"\\ud800-", 1)
    return records


async def test_bad_records_become_dead_letters_with_the_reason_and_harm_no_other(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(200)
    async with Consumer(broker, store, fitted) as consumer:
        await send(sender, rows[:100])
        for payload in poison().values():
            await sender.send(Outgoing(b"u", payload, []))
        await send(sender, rows[100:])
        await consumer.drained(sender)
    assert await store.count() == 200
    letters = await store.dead_letters(50)
    assert len(letters) == len(poison())
    assert len({letter.reason for letter in letters}) == len(poison())


class Refusing(BasicModel):
    """A detector that always raises."""

    def score(self, transactions: Sequence[Transaction]) -> list:  # type: ignore[type-arg, override]
        raise RuntimeError("no")


async def test_a_detector_that_raises_gives_error_verdicts_and_leaves_the_other_alone(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    assert fitted.basic is not None
    broken = fitted._replace(basic=Refusing.from_bytes(fitted.basic.to_bytes()))
    broken = broken._replace(basic=_as(Refusing, fitted.basic))
    async with Consumer(broker, store, broken) as consumer:
        await send(sender, simulated(50))
        await consumer.drained(sender)
    rows = await store.pool.fetch("SELECT detector, status, count(*) FROM verdicts GROUP BY 1, 2 ORDER BY 1")
    assert [tuple(row) for row in rows] == [("basic", "error", 50), ("enhanced", "ok", 50)]


def _as(kind: type[BasicModel], model: BasicModel) -> BasicModel:
    changed = kind.__new__(kind)
    changed.__dict__.update(model.__dict__)
    return changed


async def test_a_takeover_fences_the_owner_who_restores_and_loses_nothing(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    async with Consumer(broker, store, fitted) as consumer:
        await send(sender, simulated(100))
        await consumer.drained(sender)
        for partition in range(4):
            await store.open_term(broker.cluster_id, TOPIC, partition, "thief")
        await send(sender, simulated(100, seed=2))
        await until(lambda: any(status.state == "fenced" for status in consumer.pipeline.partitions))
        await consumer.drained(sender)
    assert await store.count() == 200
    assert fitted.enhanced is not None
    assert await profiles_equal_a_recount(store, fitted.enhanced)


async def test_killed_backends_degrade_but_neither_lose_nor_bury_anything(
    broker: Broker, store: Store, sender: Sender, fitted: Models, database_url: str
) -> None:
    killer = await asyncpg.connect(database_url)
    rows = simulated(2000)
    async with Consumer(broker, store, fitted, batch_size=50) as consumer:
        sending = asyncio.create_task(send(sender, rows))

        # What is stored counts: a batch whose commit and next term both lost their answer is stored and not published.
        async def stored() -> int:
            return int(await killer.fetchval("SELECT count(*) FROM transaction_ids"))

        while not sending.done() or await stored() < 2000:
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            before = await stored()
            async with asyncio.timeout(30):
                while await stored() == before < 2000:
                    await asyncio.sleep(0.01)
        await consumer.drained(sender)
    await killer.close()
    totals = await store.totals()
    assert (totals["transactions"], totals["dead_letters"]) == (2000, 0)
    assert fitted.enhanced is not None
    assert await profiles_equal_a_recount(store, fitted.enhanced)
