"""One console at the engine's end of its connection."""

import asyncio
import os
import time
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from typing import Any

import msgspec
import structlog

from domain.engine import WorkerAction
from domain.filters import FilterError
from services.attach.methods import METHODS
from services.attach.protocol import (
    LENGTH,
    MOST_ASKED,
    MOST_FIRST,
    MOST_SAID,
    PROTOCOL,
    Answer,
    Ask,
    Deflater,
    Failure,
    FromConsole,
    FromEngine,
    Hello,
    ProtocolError,
    Refused,
    Subscribe,
    Watch,
    Welcome,
    decoder,
    encode,
    frame,
    mismatch,
)
from services.attach.subscription import Subscription
from services.console.port import ConsolePort
from services.errors import reason_of
from services.version import VERSION

log = structlog.get_logger("attach")

MOST_QUESTIONS = 16
"""Questions of one console that are worked on at a time; the next one is not even read."""
HELLO_WITHIN = 5.0
SLOWEST_HZ, FASTEST_HZ = 0.1, 30.0
_ON_THE_LOOP = 8 * 1024
"""Bytes packed on the event loop; more takes longer than handing it to a thread, which packs without the GIL."""

ATTACH = "attach"
"""The worker that consoles are served by."""

_controlling: set[asyncio.Task[None]] = set()
_hello = decoder(Hello)
_from_console = decoder(FromConsole)


class Connection:
    """Serves one console until it goes away. `user` is in whose name it decides."""

    def __init__(
        self, port: ConsolePort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: str
    ) -> None:
        self._port = port
        self._reader = reader
        self._writer = writer
        self._user = user
        self._deflater = Deflater()
        self._sending = asyncio.Lock()
        self._free = asyncio.Semaphore(MOST_QUESTIONS)
        self._subscription: Subscription | None = None
        self._wanted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Greet, then obey until the end of the connection. Raises ProtocolError."""
        try:
            if await self._greet():
                while True:
                    await self._obey(await self._read(MOST_ASKED))
        except (EOFError, ConnectionError):
            return
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def refuse(self, reason: str) -> None:
        """Refuse the console, after its greeting: left unread, it would cost it our answer. Raises ProtocolError."""
        try:
            await self._greeting()
            self._say_first(Refused(reason))
        except (EOFError, ConnectionError):
            return

    async def _greet(self) -> bool:
        hello = await self._greeting()
        ours = Welcome(PROTOCOL, VERSION, os.getpid())
        reason = mismatch(hello, engine=ours, console=hello)
        self._say_first(Refused(reason) if reason else ours)
        return not reason

    async def _greeting(self) -> Hello:
        try:
            async with asyncio.timeout(HELLO_WITHIN):
                hello: Hello = _hello.decode(await self._read(MOST_FIRST))
        except (msgspec.MsgspecError, TimeoutError):
            raise ProtocolError("no greeting") from None
        return hello

    def _say_first(self, answer: Welcome | Refused) -> None:
        self._writer.write(frame(encode(answer)))

    async def _read(self, most: int) -> bytes:
        (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
        if length > most:
            raise ProtocolError(f"a frame of {length:,} bytes")
        return await self._reader.readexactly(length)

    async def _obey(self, payload: bytes) -> None:
        try:
            message: FromConsole = _from_console.decode(payload)
        except (msgspec.MsgspecError, FilterError) as error:
            raise ProtocolError(f"not understood: {error}") from None
        match message:
            case Ask():
                await self._free.acquire()
                self._start(self._answer(message))
            case Watch():
                if self._subscription is not None:
                    self._subscription.watch(message)
                    self._wanted.set()
            case Subscribe() if self._subscription is None:
                hz = max(SLOWEST_HZ, min(message.hz, FASTEST_HZ))
                self._subscription = Subscription(self._port, message.after, hz)
                self._start(self._pump(self._subscription))
            case _:
                raise ProtocolError("subscribed twice")

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ConnectionError):
            log.error("a console could not be served", exc_info=error)
            self._writer.transport.abort()

    async def _pump(self, subscription: Subscription) -> None:
        """Send updates at even times, and at once when the filter changes."""
        while True:
            began = time.monotonic()
            self._wanted.clear()
            await self._tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(began + subscription.interval - time.monotonic()):
                    await self._wanted.wait()

    async def _tell(self) -> None:
        """Send what the console does not know yet, once it has taken what was sent before."""
        if self._subscription is None:
            return
        async with self._sending:
            await self._send(await self._subscription.update())

    async def _answer(self, ask: Ask) -> None:
        try:
            answer = await self._ask(ask)
            # The update first: once a console has the answer, its copy already shows what came of the question.
            await self._tell()
            async with self._sending:
                await self._send(answer)
        finally:
            self._free.release()

    async def _ask(self, ask: Ask) -> Answer | Failure:
        method = METHODS.get(ask.method)
        if method is None:
            return Failure(ask.id, "other", f"this engine has no {ask.method}")
        try:
            arguments = method.arguments(ask.arguments)
            if method.decides:
                arguments["by"] = self._user
            called = partial(_control, self._port) if ask.method == "control" else getattr(self._port, ask.method)
            result = called(**arguments)
            if isawaitable(result):
                result = await result
            value = await asyncio.to_thread(encode, result) if _is_long(result) else encode(result)
        except ValueError as error:
            return Failure(ask.id, "value", str(error))
        except KeyError as error:
            return Failure(ask.id, "key", str(error.args[0]) if error.args else "")
        except Exception as error:  # whatever it is, it is the answer, and the other questions go on
            log.warning("a console's question failed", method=ask.method, error=f"{type(error).__name__}: {error}")
            return Failure(ask.id, "other", reason_of(error))
        if len(value) > MOST_SAID // 2:
            return Failure(ask.id, "value", f"the answer has {len(value):,} bytes: ask for less")
        return Answer(ask.id, msgspec.Raw(value))

    async def _send(self, message: FromEngine) -> None:
        payload = encode(message)
        small = len(payload) <= _ON_THE_LOOP
        packed = self._deflater.pack(payload) if small else await asyncio.to_thread(self._deflater.pack, payload)
        self._writer.write(packed)
        await self._writer.drain()


async def _control(port: ConsolePort, worker: str, action: WorkerAction) -> None:
    """Control a worker to the end, even where it is the one that serves this console."""
    if worker == ATTACH and action == "stop":
        raise ValueError("nobody could start it again: stop the engine, or restart the worker")
    controlling = asyncio.create_task(port.control(worker, action))
    _controlling.add(controlling)
    controlling.add_done_callback(_controlling.discard)
    await asyncio.shield(controlling)


def _is_long(result: object) -> bool:
    return isinstance(result, tuple) and len(result) > 50
