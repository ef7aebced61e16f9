"""A process that scores, as seen by the engine: how it is started, asked and lost."""

import asyncio
import contextlib
import signal
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from detectors.models import Models
from services.pipeline.failures import NoScorer, ScorerLost
from services.pipeline.frames import HEAD, Raised, Setup, framed, opened
from services.process import awake
from services.process.children import end, last_words, module, spawn

ENDS_WITHIN = 2.0

SILENT = READY_WITHIN = 30.0
"""A process that does not answer for so many seconds is killed, one that starts too; a batch takes it milliseconds."""

_LAST_WORDS = 2_000


class Child:
    """The process and the connection to it, until one of them ends: then it is `gone`, and all that waits is lost."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.gone = False
        self._process = process
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._models: Models | None = None
        self._connection = _Connection(self._answer, self._ended)
        self._said = b""
        self._listening = asyncio.create_task(self._listen())
        self._losing: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, setup: Setup) -> "Child":
        """A process that is ready. Raises: NoScorer."""
        ours, theirs = socket.socketpair()
        with ours:
            try:
                # Closed here then: who else has it would keep us from hearing that the process has ended.
                with theirs:
                    process = await spawn(
                        *module("services.pipeline.worker"),
                        stdin=theirs,
                        stdout=asyncio.subprocess.DEVNULL,
                        stderr=asyncio.subprocess.PIPE,
                    )
            except OSError as error:
                raise NoScorer(f"a process that scores cannot be started: {error}") from error
            child = cls(process)
            try:
                await asyncio.get_running_loop().create_connection(lambda: child._connection, sock=ours.dup())
                await child._answered(child._asked(setup), READY_WITHIN)
            except ScorerLost as lost:
                raise NoScorer(f"a process that scores cannot be started: {lost}") from None
            except BaseException:
                await child.end()
                raise
        return child

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def use(self, models: Models) -> None:
        """Have these models there, each of which is sent once."""
        before, self._models = self._models, models
        if before is None or before.basic is not models.basic or before.enhanced is not models.enhanced:
            self.tell("models", {name: model.to_bytes() for name, model in models.detectors.items()})
        if before is None or before.feedback is not models.feedback:
            self.tell("feedback", models.feedback)

    async def ask(self, what: str, *arguments: object) -> Any:
        """The answer. Raises what was raised there, or ScorerLost."""
        answer = await self._answered(self._asked((what, arguments)), SILENT)
        if isinstance(answer, Raised):
            raise answer.here
        return answer

    def tell(self, what: str, *arguments: object) -> None:
        """Say something that has no answer; nobody hears it where the process is gone."""
        if not self.gone:
            self._connection.send((what, arguments))

    async def end(self) -> None:
        """End the process."""
        self._connection.close()
        await end(self._process, ENDS_WITHIN)
        await self._listening
        if self._losing is not None:
            await self._losing

    def _asked(self, request: object) -> "asyncio.Future[Any]":
        """What will be the answer."""
        if self.gone:
            raise ScorerLost("the process that scores is gone")
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(answered)
        self._connection.send(request)
        return answered

    async def _answered(self, answered: "asyncio.Future[Any]", seconds: float) -> Any:
        """The answer; a process that does not give it in so many seconds is killed. Raises: ScorerLost."""
        try:
            return await awake.within(seconds, answered)
        except TimeoutError:
            self._said = f"it did not answer for {seconds:g} s".encode()
            self._kill()
            return await answered
        finally:
            answered.cancel()

    def _answer(self, body: bytearray) -> None:
        answered = self._waiting.popleft()
        if not answered.done():
            answered.set_result(opened(body))

    def _ended(self) -> None:
        self.gone = True
        self._losing = asyncio.get_running_loop().create_task(self._lose())

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while said := await self._process.stderr.read(_LAST_WORDS):
            self._said = (self._said + said)[-_LAST_WORDS:]

    async def _lose(self) -> None:
        ending = asyncio.ensure_future(self._process.wait())
        # Killed only if it does not end by itself: a kill of one that has just ended takes its code from who waits.
        await asyncio.wait({ending}, timeout=ENDS_WITHIN)
        if not ending.done():
            self._kill()
        code = await ending
        await self._listening
        how = signal.Signals(-code).name if code < 0 else f"code {code}"
        last = last_words(self._said)
        for answered in self._waiting:
            if not answered.done():
                answered.set_exception(ScorerLost(f"a process that scores ended ({how}){': ' if last else ''}{last}"))
        self._waiting.clear()


class _Connection(asyncio.BufferedProtocol):
    """Frames in both directions; what comes is put where it is read from, since much does."""

    def __init__(self, received: Callable[[bytearray], None], ended: Callable[[], None]) -> None:
        self._received = received
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._frame = bytearray(HEAD)
        self._filled = 0
        self._in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._frame)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled < len(self._frame):
            return
        frame, in_body = self._frame, self._in_body
        self._frame = bytearray(HEAD if in_body else int.from_bytes(frame, "big"))
        self._filled, self._in_body = 0, not in_body
        if in_body:
            self._received(frame)

    def send(self, what: object) -> None:
        assert self._transport is not None
        self._transport.write(framed(what))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
