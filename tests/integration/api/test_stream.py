"""What a client of the live stream is told, whatever it does."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from domain.engine import BEHIND
from domain.filters import EVERYTHING, parse
from services.access import Access, Address
from services.api.client import (
    BURST_SECONDS,
    EVENT_ROWS,
    QUEUE_ROWS,
    QUEUE_TRIAGE,
    ROWS_A_SECOND,
    WORTH_AN_EVENT,
    Client,
)
from services.api.server import ApiServer
from services.api.stream import ALL_ROWS_A_SECOND, BUSY_ROWS_A_SECOND, Hub
from services.console.bus import ANOMALIES_SIZE, FEED_SIZE
from services.console.reader import Mark, engine_of, mark_of
from services.store.store import Store
from tests.integration.api.reader import Event, Reader, events_of
from tests.integration.api.ring_port import RingPort, serving

ENGINE = engine_of(RingPort().snapshot())


async def taken(client: Client, hub: Hub) -> list[Event]:
    """All that waits for a client, which is closed when it has taken it."""
    found: list[Event] = []
    async for chunk in client.events():
        found += events_of(chunk.decode())
        if client.waiting:
            hub.poll()
        elif found and found[-1].name == "status":
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
    # A second from one look to the next: time is nothing to wait for here.
    return Hub(port, itertools.count().__next__)  # type: ignore[arg-type]


async def test_a_client_gets_what_matches_from_now_on_oldest_first(port: RingPort, hub: Hub) -> None:
    port.publish(5)
    client = hub.join("transactions", parse("user=a"), None)
    port.publish(3)
    port.publish(2, user="b")
    hub.poll()
    found = await taken(client, hub)
    assert ids(found) == [6, 7, 8]
    assert [event.name for event in found] == ["rows", "status"]
    assert found[0].id == f"{ENGINE}.10.0", "also past those that did not match: a resume must not look at them again"


async def test_a_client_of_anomalies_gets_flagged_rows(port: RingPort, hub: Hub) -> None:
    client = hub.join("anomalies", EVERYTHING, None)
    port.publish(2)
    port.publish(1, flagged=True)
    hub.poll()
    assert ids(await taken(client, hub)) == [3]


@pytest.mark.parametrize("of", ["transactions", "anomalies"])
async def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_twice(
    port: RingPort, hub: Hub, of: Any
) -> None:
    port.publish(10, flagged=True)
    port.decide(1)
    port.decide(2)
    client = hub.join(of, EVERYTHING, Mark(ENGINE, 7, 1))
    port.publish(1, flagged=True)
    hub.poll()
    found = await taken(client, hub)
    assert ids(found) == [8, 9, 10, 11]
    assert [event.data["changes"][0]["transaction_id"] for event in found if event.name == "triage"] == ["2"]
    assert mark_of(found[-1].id) == Mark(ENGINE, 11, 2)


async def test_rows_that_left_the_ring_before_a_client_came_back_are_counted(port: RingPort, hub: Hub) -> None:
    port.publish(FEED_SIZE + 1_000)
    client = hub.join("transactions", EVERYTHING, Mark(ENGINE, 900, 0))
    found = await taken(client, hub)
    assert missed(found) + len(ids(found)) == FEED_SIZE + 100
    assert ids(found) == list(range(FEED_SIZE + 1_000 - QUEUE_ROWS + 1, FEED_SIZE + 1_001))
    assert found[0].name == "missed"


async def test_what_cannot_be_continued_is_begun_again(port: RingPort, hub: Hub) -> None:
    port.publish(ANOMALIES_SIZE + 1, flagged=True)
    for of, mark, reason in (
        ("transactions", Mark("e0", 5, 0), "engine"),
        ("anomalies", Mark(ENGINE, 1, 0), "late"),
    ):
        found = await taken(hub.join(of, EVERYTHING, mark), hub)  # type: ignore[arg-type]
        assert [event.name for event in found] == ["reset", "status"]
        assert found[0].data == {"reason": reason}
        assert mark_of(found[0].id) == hub.mark


async def test_a_slow_client_is_told_exactly_how_many_rows_it_missed(port: RingPort, hub: Hub) -> None:
    slow = hub.join("transactions", parse("user=a"), None)
    for _ in range(20):
        port.publish(400)
        port.publish(100, user="b")
        hub.poll()
    found = await taken(slow, hub)
    assert len(ids(found)) == QUEUE_ROWS
    assert missed(found) == 8_000 - QUEUE_ROWS
    hub.leave(slow)
    assert hub.missed == 8_000 - QUEUE_ROWS


async def test_a_client_gets_a_burst_and_then_so_many_rows_a_second(port: RingPort) -> None:
    hub = Hub(port, itertools.count(step=0.1).__next__)  # type: ignore[arg-type]
    client = hub.join("transactions", EVERYTHING, None)
    port.publish(QUEUE_ROWS)
    hub.poll()
    stream, told = client.events(), []
    while client.waiting:
        events = list(events_of((await anext(stream)).decode()))
        if any(event.name == "rows" for event in events):
            told.append(len(ids(events)))
            hub.poll()
    assert told[:10] == [EVENT_ROWS] * 10
    assert sum(told) == QUEUE_ROWS
    a_second = round(ROWS_A_SECOND * 0.1)
    assert all(abs(rows - a_second) <= 1 for rows in told[-9:-1])


@pytest.mark.parametrize(("lag", "together"), [(BEHIND, ALL_ROWS_A_SECOND), (BEHIND + 1, BUSY_ROWS_A_SECOND)])
async def test_many_clients_share_the_rows_a_second(port: RingPort, lag: int, together: int) -> None:
    port.lag = lag
    hub = Hub(port, itertools.count(step=0.1).__next__)  # type: ignore[arg-type]
    clients = [hub.join("transactions", EVERYTHING, None) for _ in range(20)]
    told: list[int] = []

    async def read() -> None:
        async for chunk in clients[0].events():
            told.extend(len(event.data["rows"]) for event in events_of(chunk.decode()) if event.name == "rows")

    reading = asyncio.create_task(read())
    for _ in range(300):
        port.publish(100)
        hub.poll()
        await asyncio.sleep(0)
    clients[0].close()
    await reading
    share = together / 20 * (BURST_SECONDS + 30)
    assert share - WORTH_AN_EVENT <= sum(told) <= share
    assert min(told) == WORTH_AN_EVENT, "rows come in few events, not in many small ones"


async def test_a_client_that_takes_no_decisions_begins_again(port: RingPort, hub: Hub) -> None:
    slow = hub.join("anomalies", EVERYTHING, None)
    for number in range(QUEUE_TRIAGE + 1):
        port.decide(number)
    while hub.mark.triage <= QUEUE_TRIAGE:
        hub.poll()
    assert [event.name for event in await taken(slow, hub)] == ["reset", "status"]


async def test_a_decision_is_told_after_the_rows_that_do_not_know_of_it(port: RingPort, hub: Hub) -> None:
    client = hub.join("transactions", EVERYTHING, None)
    port.publish(3 * EVENT_ROWS)
    hub.poll()
    port.decide(3 * EVENT_ROWS)
    hub.poll()
    port.publish(EVENT_ROWS)
    hub.poll()
    names = [event.name for event in await taken(client, hub) if event.name != "status"]
    assert names.index("triage") >= 3


async def test_a_row_is_encoded_once_for_all_clients(port: RingPort, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.api import client as clients_module

    encoded: list[int] = []
    original = clients_module.json_line
    monkeypatch.setattr(clients_module, "json_line", lambda row: encoded.append(row.sequence) or original(row))
    clients = [hub.join("transactions", EVERYTHING, None) for _ in range(5)]
    port.publish(10)
    hub.poll()
    for client in clients:
        assert ids(await taken(client, hub)) == list(range(1, 11))
    assert sorted(encoded) == list(range(1, 11))


@pytest.fixture
async def api(port: RingPort, store: Store) -> AsyncIterator[ApiServer]:
    """The API on a port of its own."""
    async with serving(port, store, Access(Address("127.0.0.1", 0))) as started:
        yield started


async def test_of_more_than_anybody_can_read_every_row_is_told_or_counted(port: RingPort, api: ApiServer) -> None:
    every = 30_000
    eager, lazy = await Reader.open(api), await Reader.open(api, room=4_096)
    async with asyncio.timeout(60):
        assert [(await anext(each.events())).name for each in (eager, lazy)] == ["status", "status"]
        reading = asyncio.create_task(rows_until(eager, every))
        for _ in range(every // 500):
            port.publish(500)
            await asyncio.sleep(0)
        told, counted = await reading
        assert (told + counted, told >= QUEUE_ROWS) == (every, True)
        told, counted = await rows_until(lazy, every)
        assert (told + counted, counted > 0) == (every, True)
    for each in (eager, lazy):
        each.writer.close()


async def rows_until(reader: Reader, last: int) -> tuple[int, int]:
    """How many rows were told and how many only counted, up to number `last`; none is told twice or out of order."""
    told = counted = number = 0
    async for event in reader.events():
        if event.name == "missed":
            counted += event.data["count"]
        elif event.name == "rows":
            numbers = [int(row["transaction_id"]) for row in event.data["rows"]]
            first = number + event.data["missed"] + 1
            assert numbers == list(range(first, first + len(numbers)))
            told, number = told + len(numbers), numbers[-1]
        if number >= last:
            break
    return told, counted


async def test_a_server_that_stops_ends_its_streams_also_one_that_nobody_reads(
    port: RingPort, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(60):
        async with serving(port, store, Access(Address("127.0.0.1", 0))) as api:
            reading, stalled = await Reader.open(api), await Reader.open(api, room=4_096)
            ended = asyncio.create_task(_drain(reading))
            while not any(connection.flow.write_paused for connection in connections(api)):
                port.publish(200)
                await asyncio.sleep(0.01)
        await ended
    stalled.writer.close()
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


def connections(api: ApiServer) -> set[Any]:
    """The server's connections: nothing else tells that one is stalled."""
    assert api._server is not None
    return set(api._server.server_state.connections)


async def _drain(reader: Reader) -> None:
    async for _ in reader.events():
        pass
