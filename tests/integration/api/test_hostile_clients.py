"""Clients on raw sockets that send what is no request, send it slowly, or hold connections and ask nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import h11
import httpx
import psutil
import pytest

from services.access import Access, Address
from services.api import protocol
from services.api.endpoint import MAX_LARGE_BODIES, SMALL_BODY
from services.api.live import MAX_CLIENTS
from services.api.server import ApiServer
from services.store.store import Store
from tests.integration.api.reader import Reader
from tests.integration.api.ring_port import RingPort, serving
from tests.waiting import until

HEAD = b"Host: localhost\r\nContent-Type: application/json\r\n"
SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def port() -> RingPort:
    return RingPort()


@pytest.fixture
async def api(port: RingPort, store: Store) -> AsyncIterator[ApiServer]:
    """The API on a port of its own."""
    async with serving(port, store, Access(Address("127.0.0.1", 0))) as started:
        yield started


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(api: ApiServer, sent: bytes = b"") -> Connection:
    """A socket on which `sent` was written."""
    assert api.address is not None
    reader, writer = await asyncio.open_connection(*api.address)
    writer.write(sent)
    return reader, writer


async def answers(api: ApiServer, sent: bytes) -> list[int]:
    """The statuses that are answered until the server closes, which it must."""
    reader, writer = await connect(api, sent)
    async with asyncio.timeout(30):
        received = await reader.read()
    writer.close()
    return [int(piece[:3]) for piece in received.split(b"HTTP/1.1 ")[1:]]


async def alive(api: ApiServer) -> bool:
    async with httpx.AsyncClient(base_url=api.url) as client:
        return (await client.get("/livez")).text == "ok\n"


AMBIGUOUS = (
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length: 0, 0\r\n\r\n",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length: +2\r\n\r\n{}",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length: 0x2\r\n\r\n{}",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length: -1\r\n\r\n{}",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length : 2\r\n\r\n{}",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST /api/triage HTTP/1.0\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
    b"GET /livez HTTP/1.1\nHost: localhost\n\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX\x00: y\r\n\r\n",
    b"GET  /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET /li vez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET /" + b"a" * protocol.MAX_HEAD,
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * protocol.MAX_HEAD,
)
NO_CHUNKS = (
    b"2\n{}\r\n0\r\n\r\n",
    b"2\r\n{}\n0\r\n\r\n",
    b"2\r\n{}XX0\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"+2\r\n{}\r\n0\r\n\r\n",
    b"-2\r\n{}\r\n0\r\n\r\n",
    b"2 \x00\r\n{}\r\n0\r\n\r\n",
    b"fffffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    b"\r\n{}\r\n0\r\n\r\n",
)


async def test_what_could_be_read_in_two_ways_is_no_request_and_ends_the_connection(
    api: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    found = {sent[-80:]: await answers(api, sent + SMUGGLED) for sent in AMBIGUOUS}
    assert {sent: statuses for sent, statuses in found.items() if statuses not in ([400], [501])} == {}
    assert await alive(api)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("media", [b"application/json", b"text/plain"])
async def test_a_chunk_that_is_none_ends_the_connection(
    api: ApiServer, media: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /api/triage HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + media
    head += b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    found = {body[-80:]: await answers(api, head + body + SMUGGLED) for body in NO_CHUNKS}
    assert {body: statuses for body, statuses in found.items() if statuses not in ([400], [415])} == {}
    assert await alive(api)
    assert not [record for record in caplog.records if record.exc_info]


async def test_requests_behind_each_other_are_answered_in_turn(api: ApiServer) -> None:
    chunked = b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n[]\r\n0\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert await answers(api, SMUGGLED + chunked + last) == [200, 422, 200]


UNFINISHED: tuple[tuple[bytes, list[int]], ...] = (
    (b"", []),
    (b"G", [408]),
    (b"GET /livez HTTP/1.1\r\nHost: local", [408]),
    (SMUGGLED + b"GET /", [200, 408]),
    (b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\n{", [408]),
    (b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{", [408]),
    # Answered at once, because no body of a form is read.
    (b"POST /api/triage HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{", [415]),
)


async def test_a_request_that_does_not_come_in_time_ends_its_connection(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for state in (h11.IDLE, h11.SEND_BODY):
        monkeypatch.setitem(protocol._WITHIN, state, 0.5)
    assert [await answers(api, sent) for sent, _ in UNFINISHED] == [answered for _, answered in UNFINISHED]
    assert await alive(api)
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_byte_now_and_then_gives_a_request_no_more_time(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(protocol._WITHIN, h11.IDLE, 0.5)
    reader, writer = await connect(api, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ")

    async def trickle() -> None:
        while True:
            writer.write(b"a")
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(30):
        assert b" 408 " in await reader.readline()
    trickling.cancel()
    with contextlib.suppress(asyncio.CancelledError, ConnectionError):
        await trickling
    writer.close()


async def test_connections_that_ask_nothing_make_room_for_those_that_do(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 20)
    assert api._server is not None
    connections = api._server.server_state.connections
    for sent in (b"", b"GET /livez HTTP/1.1\r\nX: ", SMUGGLED, UNFINISHED[4][0]):
        held: list[Connection] = []
        for _ in range(50):
            held.append(await connect(api, sent))
            assert len(connections) <= protocol.MAX_CONNECTIONS + 1
        for _ in range(5):
            assert await alive(api)
        for _, writer in held:
            writer.close()
    await until(lambda: not connections)
    assert not [record for record in caplog.records if record.exc_info]


async def test_large_bodies_are_received_so_many_at_a_time_and_small_ones_always(api: ApiServer) -> None:
    head = b"POST /api/triage HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n"
    held = [await connect(api, head + b" " * (SMALL_BODY + 1)) for _ in range(MAX_LARGE_BODIES)]
    assert api._sources is not None
    large = api._sources.large_bodies
    await until(large.locked)
    assert await answers(api, head + b" " * (SMALL_BODY + 1)) == [503]
    async with httpx.AsyncClient(base_url=api.url) as client:
        assert (await client.post("/api/triage", json={})).status_code == 422
        for _, writer in held:
            writer.close()
        await until(lambda: not large.locked())
        assert (await client.post("/api/triage", json={"ids": ["a" * SMALL_BODY]})).status_code == 422


async def test_a_client_that_takes_no_answer_is_let_go(
    api: ApiServer, port: RingPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "TAKEN_WITHIN", 0.5)
    stalled = await Reader.open(api, room=4_096)
    async with asyncio.timeout(60):
        while api._server is not None and api._server.server_state.connections:
            port.publish(200)
            await asyncio.sleep(0.01)
    stalled.writer.close()
    assert await alive(api)


async def test_more_streams_than_there_may_be_are_refused_and_cost_no_more_memory(
    api: ApiServer, port: RingPort
) -> None:
    readers: list[Reader] = []
    refused = 0
    opening = [Reader.open(api, room=4_096) for _ in range(2 * MAX_CLIENTS)]
    for opened in await asyncio.gather(*opening, return_exceptions=True):
        if isinstance(opened, Reader):
            readers.append(opened)
        else:
            assert "503" in str(opened)
            assert "retry-after: 5" in str(opened).lower()
            refused += 1
    assert (len(readers), refused) == (MAX_CLIENTS, MAX_CLIENTS)

    async def publish(rows: int) -> None:
        for _ in range(rows // 500):
            port.publish(500)
            await asyncio.sleep(0.01)

    process = psutil.Process()
    await publish(60_000)
    before = process.memory_info().rss
    await publish(120_000)
    assert process.memory_info().rss - before < 40_000_000
    assert await alive(api)
    for reader in readers:
        reader.writer.close()
