"""The delivery protocol on a real PostgreSQL and the embedded broker."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import msgspec
import pytest

from detectors.basic import BasicModel
from detectors.inputs import Inputs
from detectors.models import Models
from detectors.policy import USUAL_POLICY
from domain.transaction import Transaction
from domain.verdict import Verdict
from services.brokers.broker import Broker
from services.models import schedule
from services.records import wire
from services.sending.producer import Outgoing, Sender
from services.store.store import Store
from tests.consuming import TOPIC, Consumer, profiles_equal_a_recount, send, simulated
from tests.waiting import until


@pytest.fixture(scope="module")
def fitted() -> Models:
    return schedule.fit([transaction for transaction, _ in simulated(1500, seed=9)], 1500, "both", USUAL_POLICY)


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


async def test_a_cache_smaller_than_one_batch_forgets_no_profile(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(2_000, users=200)
    async with Consumer(broker, store, fitted, batch_size=50, cache_bytes=20_000) as consumer:
        await send(sender, rows)
        await consumer.drained(sender)
    assert await store.count() == 2_000
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

    def score(self, transactions: Sequence[Transaction], *, rows: Sequence[Inputs] | None = None) -> list[Verdict]:
        raise RuntimeError("out of order")


async def test_a_detector_that_raises_gives_error_verdicts_and_leaves_the_other_alone(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    async with Consumer(broker, store, fitted._replace(basic=Refusing.warming())) as consumer:
        await send(sender, simulated(50))
        await consumer.drained(sender)
    rows = await store.pool.fetch("SELECT detector, status, error, count(*) FROM verdicts GROUP BY 1, 2, 3 ORDER BY 1")
    assert [tuple(row) for row in rows] == [
        ("basic", "error", "RuntimeError: out of order", 50),
        ("enhanced", "ok", None, 50),
    ]


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

        async def stored() -> int:
            return int(await killer.fetchval("SELECT count(*) FROM transactions"))

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
        assert consumer.bus.transactions == 2000
    await killer.close()
    totals = await store.totals()
    assert (totals["transactions"], totals["dead_letters"]) == (2000, 0)
    assert fitted.enhanced is not None
    assert await profiles_equal_a_recount(store, fitted.enhanced)
