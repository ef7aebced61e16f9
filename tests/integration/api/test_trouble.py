"""What is answered when something is wrong, or too much is asked at once."""

import asyncio

import httpx
import pytest

from services.access import Access, Address
from services.api import stream
from services.store.store import Store
from tests.integration.api.reader import Reader
from tests.integration.api.ring_port import RingPort, serving

LOOPBACK = Access(Address("127.0.0.1", 0))


async def test_without_postgresql_it_says_so_and_goes_on(store: Store) -> None:
    async with serving(RingPort(), store, LOOPBACK) as api, httpx.AsyncClient(base_url=api.url) as client:
        await store.close()
        for path in (
            "/api/transactions",
            "/api/anomalies?sort=score",
            "/api/dead-letters",
            "/api/stats",
            "/api/export",
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert answer.headers["retry-after"]
            assert "PostgreSQL" in answer.json()["detail"]
        for path in ("/livez", "/api/health", "/metrics", "/api/filter?q=amount>5"):
            assert (await client.get(path)).status_code == 200


async def test_a_bug_is_a_problem_without_a_traceback(store: Store) -> None:
    # This port knows no users.
    async with serving(RingPort(), store, LOOPBACK) as api, httpx.AsyncClient(base_url=api.url) as client:
        answer = await client.get("/api/users")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "AttributeError" not in answer.text
        assert (await client.get("/livez")).status_code == 200


async def test_a_question_that_postgresql_does_not_understand_is_no_outage(store: Store) -> None:
    async with serving(RingPort(), store, LOOPBACK) as api, httpx.AsyncClient(base_url=api.url) as client:
        await store.pool.execute("ALTER TABLE transactions RENAME COLUMN city TO town")
        answer = await client.get("/api/transactions")
        assert (answer.status_code, "retry-after" in answer.headers) == (500, False)


async def test_streams_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.api.live.MAX_CLIENTS", 2)
    async with serving(RingPort(), store, LOOPBACK) as api, httpx.AsyncClient(base_url=api.url) as client:
        readers = [await Reader.open(api), await Reader.open(api)]
        for reader in readers:
            assert (await anext(reader.events())).name == "status"
        answer = await client.get("/api/stream")
        assert (answer.status_code, "2 streams" in answer.json()["detail"]) == (503, True)
        readers[0].writer.close()
        async with asyncio.timeout(60):
            while True:
                async with client.stream("GET", "/api/stream") as answer:
                    if answer.status_code == 200:
                        break
        readers[1].writer.close()
    assert stream.MAX_CLIENTS > 20
