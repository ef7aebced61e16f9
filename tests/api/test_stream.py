"""What a client of the live stream is told, whatever it does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from domain.filters import EVERYTHING, parse
from services.api.access import Access, Address
from services.api.server import ApiServer
from services.api.stream import QUEUE_ROWS, QUEUE_TRIAGE, Client, Hub, Mark, mark_of
from services.bus import ANOMALIES_SIZE, FEED_SIZE
from services.store.store import Store
from tests.api.reader import Event, Reader, events_of
from tests.api.ring_port import RingPort, serving


async def waiting(client: Client) -> list[Event]:
    """All that waits for a client, which is closed when it has taken it."""
    found = []
    stream = client.events()
    async for chunk in stream:
        found += events_of(chunk.decode())
        if found and found[-1].name == "status":
            client.close()
    return found


def ids(events: Sequence[Event]) -> list[int]:
    return [int(row["transaction_id"]) for event in events if event.name == "rows" for row in event.data["rows"]]


def missed(events: Sequence[Event]) -> int:
    assert sum(event.data["missed"] for event in events if event.name == "rows") <= sum(
        event.data["count"] for event in events if event.name == "missed"
    )
    return sum(event.data["count"] for event in events if event.name == "missed")


@pytest.fixture
def port() -> RingPort:
    return RingPort()


@pytest.fixture
def hub(port: RingPort) -> Hub:
    return Hub(port, "e1")  # type: ignore[arg-type]


async def test_a_client_gets_what_matches_from_now_on_oldest_first(port: RingPort, hub: Hub) -> None:
    port.publish(5)
    client = hub.join("transactions", parse("user=a"), None)
    port.publish(3)
    port.publish(2, user="b")
    hub.poll()
    found = await waiting(client)
    assert ids(found) == [6, 7, 8]
    assert [event.name for event in found] == ["rows", "status"]
    assert found[0].id == "e1.10.0", "also past those that did not match: a resume must not look at them again"


async def test_a_client_of_anomalies_gets_flagged_rows(port: RingPort, hub: Hub) -> None:
    client = hub.join("anomalies", EVERYTHING, None)
    port.publish(2)
    port.publish(1, flagged=True)
    hub.poll()
    assert ids(await waiting(client)) == [3]


@pytest.mark.parametrize("of", ["transactions", "anomalies"])
async def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_twice(
    port: RingPort, hub: Hub, of: Any
) -> None:
    port.publish(10, flagged=True)
    port.decide(1)
    port.decide(2)
    client = hub.join(of, EVERYTHING, Mark("e1", 7, 1))
    port.publish(1, flagged=True)
    hub.poll()
    found = await waiting(client)
    assert ids(found) == [8, 9, 10, 11]
    assert [event.data["changes"][0]["transaction_id"] for event in found if event.name == "triage"] == ["2"]
    assert mark_of(found[-1].id) == Mark("e1", 11, 2)


async def test_rows_that_left_the_ring_before_a_client_came_back_are_counted(port: RingPort, hub: Hub) -> None:
    port.publish(FEED_SIZE + 1_000)
    client = hub.join("transactions", EVERYTHING, Mark("e1", 900, 0))
    found = await waiting(client)
    assert missed(found) + len(ids(found)) == FEED_SIZE + 100
    assert ids(found) == list(range(FEED_SIZE + 1_000 - QUEUE_ROWS + 1, FEED_SIZE + 1_001))
    assert found[0].name == "missed"


async def test_what_cannot_be_continued_is_begun_anew(port: RingPort, hub: Hub) -> None:
    port.publish(ANOMALIES_SIZE + 1, flagged=True)
    for of, mark, reason in (
        ("transactions", Mark("e0", 5, 0), "engine"),
        ("anomalies", Mark("e1", 1, 0), "late"),
    ):
        found = await waiting(hub.join(of, EVERYTHING, mark))  # type: ignore[arg-type]
        assert [event.name for event in found] == ["reset", "status"]
        assert found[0].data == {"reason": reason}
        assert mark_of(found[0].id) == hub.mark


async def test_a_slow_client_is_told_exactly_how_many_rows_it_missed(port: RingPort, hub: Hub) -> None:
    slow = hub.join("transactions", parse("user=a"), None)
    for _ in range(20):
        port.publish(400)
        port.publish(100, user="b")
        hub.poll()
    found = await waiting(slow)
    assert len(ids(found)) == QUEUE_ROWS
    assert missed(found) == 8_000 - QUEUE_ROWS
    hub.leave(slow)
    assert hub.missed == 8_000 - QUEUE_ROWS


async def test_a_client_that_takes_no_decisions_begins_anew(port: RingPort, hub: Hub) -> None:
    slow = hub.join("anomalies", EVERYTHING, None)
    for number in range(QUEUE_TRIAGE + 1):
        port.decide(number)
    while hub.mark.triage <= QUEUE_TRIAGE:
        hub.poll()
    assert [event.name for event in await waiting(slow)] == ["reset", "status"]


async def test_a_row_is_encoded_once_for_all_clients(port: RingPort, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.api import stream

    encoded: list[int] = []
    original = stream.json_line
    monkeypatch.setattr(stream, "json_line", lambda row: encoded.append(row.sequence) or original(row))
    clients = [hub.join("transactions", EVERYTHING, None) for _ in range(5)]
    port.publish(10)
    hub.poll()
    for client in clients:
        assert ids(await waiting(client)) == list(range(1, 11))
    assert sorted(encoded) == list(range(1, 11))


@pytest.fixture
async def api(port: RingPort, store: Store) -> AsyncIterator[ApiServer]:
    """The API on a port of its own."""
    async with serving(port, store, Access(Address("127.0.0.1", 0))) as started:
        yield started


async def test_a_client_that_reads_nothing_for_a_while_neither_loses_count_nor_holds_up_others(
    port: RingPort, api: ApiServer
) -> None:
    lazy, eager = await Reader.open(api), await Reader.open(api)
    assert {(await anext(each.events())).name for each in (lazy, eager)} == {"status"}
    every, taken = 30_000, 0
    async with asyncio.timeout(60):
        for _ in range(every // 500):
            port.publish(500)
            async for event in eager.events():
                if event.name == "rows":
                    taken += len(event.data["rows"]) + event.data["missed"]
                if taken >= port.bus.transactions:
                    break
        assert taken == every
        found, last = 0, 0
        async for event in lazy.events():
            if event.name == "missed":
                found += event.data["count"]
            elif event.name == "rows":
                numbers = [int(row["transaction_id"]) for row in event.data["rows"]]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
                assert numbers[0] == last + event.data["missed"] + 1
                found, last = found + len(numbers), numbers[-1]
            if found >= every:
                break
    assert (found, last) == (every, every)
    for each in (lazy, eager):
        each.writer.close()


async def test_a_server_that_stops_ends_its_streams(port: RingPort, store: Store) -> None:
    async with asyncio.timeout(20):
        async with serving(port, store, Access(Address("127.0.0.1", 0))) as api:
            reading, stalled = await Reader.open(api), await Reader.open(api)
            port.publish(5_000)
            ended = asyncio.create_task(_drain(reading))
        await ended
    stalled.writer.close()


async def _drain(reader: Reader) -> None:
    async for _ in reader.events():
        pass
