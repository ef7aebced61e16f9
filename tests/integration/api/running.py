"""An engine that runs beside the tests, on an event loop of its own, and the HTTP client to ask it with."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import httpx

from services.engine.engine import Engine
from services.sending.producer import Sender, outgoing, refused
from services.settings import load
from tests.simulating import awake
from tests.waiting import until

BEFORE_THE_FIT = 1_000
TRANSACTIONS = 1_600
POISON = (b"{", b'{"user_id": 1}', b'{"transaction_id": "\\u202e", "amount": "x"}')
Result = TypeVar("Result")


class Running:
    """A started engine: `run` takes a coroutine to its loop, `client` asks it over HTTP."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, client: httpx.Client) -> None:
        self.engine = engine
        self.client = client
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do it on the engine's loop and wait."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def running(data_dir: Path, database_url: str) -> Iterator[Running]:
    """An engine that has scored a simulated stream, the end of it with fitted models, and a few records of nonsense."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="engine")
    thread.start()
    engine = asyncio.run_coroutine_threadsafe(_made(data_dir, database_url), loop).result(60)
    scored = _scored(engine)
    try:
        asyncio.run_coroutine_threadsafe(scored.__aenter__(), loop).result(120)
        assert engine.api is not None
        with httpx.Client(base_url=engine.api.url, timeout=30) as client:
            yield Running(engine, loop, client)
    finally:
        asyncio.run_coroutine_threadsafe(scored.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _made(data_dir: Path, database_url: str) -> Engine:
    return Engine(load({"data_dir": data_dir, "database_url": database_url, "api": "127.0.0.1:0"}).settings)


@asynccontextmanager
async def _scored(engine: Engine) -> AsyncIterator[None]:
    stream = awake(datetime.now(UTC), users=20, anomaly_rate=0.1, seed=5, rate=400)
    sender = Sender(engine.broker, engine.settings.topic)

    async def sent(total: int) -> None:
        for transaction, truth in islice(stream, total - engine.bus.transactions):
            await sender.send(outgoing(transaction, truth))
        await sender.flush()
        await until(lambda: engine.bus.transactions >= total, 90)

    await engine.start()
    try:
        await sender.start()
        async with asyncio.timeout(90):
            await sent(BEFORE_THE_FIT)
            await until(lambda: "warming" not in engine.snapshot().model_versions.values(), 90)
            for payload in POISON:
                await sender.send(refused(payload, "nonsense"))
            await sent(TRANSACTIONS)
            await until(lambda: engine.bus.dead_letters >= len(POISON), 90)
        yield
    finally:
        await sender.stop()
        await engine.stop()
