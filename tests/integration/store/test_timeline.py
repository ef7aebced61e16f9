"""The timeline in PostgreSQL: bounded, newest first, decisions in between."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from domain.timeline import TimelineEvent
from domain.triage import TriageStatus
from services.store import timeline
from services.store.batch import prepare
from services.store.store import Store
from tests.integration.store.test_store import batch, opened, transaction

NOW = datetime.now(UTC)


def event(minutes_ago: int, text: str) -> TimelineEvent:
    return TimelineEvent(at=NOW - timedelta(minutes=minutes_ago), kind="worker", subject="api", text=text, instance="e")


async def test_events_and_decisions_are_one_list(store: Store) -> None:
    await store.commit(prepare(batch(await opened(store), 0, transaction("t-1"), transaction("t-2"))))
    await store.timeline.add([event(90, "stopped"), event(30, "started")])
    await store.triage.decide(["t-1"], TriageStatus.CONFIRMED, None, None, "ann")
    await store.triage.decide(["t-1", "t-2"], None, None, "a ring", "ann")
    await store.triage.undo("ann")

    found = await store.timeline.newest(None, 10)
    assert [(each.subject, each.text) for each in found] == [
        ("ann", "took back a decision on: 2 transactions of u-1"),
        ("ann", "wrote a note on: 2 transactions of u-1"),
        ("ann", "confirmed as fraud: u-1"),
        ("api", "started"),
        ("api", "stopped"),
    ]
    assert found[4] == event(90, "stopped")
    assert [each.text for each in await store.timeline.newest(NOW - timedelta(hours=1), 10)][-1] == "started"
    assert await store.timeline.newest(None, 2) == found[:2]


async def test_it_stays_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "KEPT", 3)
    await store.timeline.add([event(minutes, str(minutes)) for minutes in (600, 50, 40, 30, 20)])
    await store.timeline.forget(NOW - timedelta(minutes=500))
    assert [each.text for each in await store.timeline.newest(None, 10)] == ["20", "30", "40"]


async def test_a_database_of_before_gets_the_table(store: Store, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("DROP TABLE timeline")
    await connection.close()
    again = await Store.open(database_url)
    assert await again.timeline.newest(None, 10) == ()
    await again.close()
