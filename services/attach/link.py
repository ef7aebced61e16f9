"""One connection to an engine, at the console's end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from services.attach.methods import METHODS
from services.attach.protocol import (
    LENGTH,
    MOST_ASKED,
    MOST_FIRST,
    MOST_SAID,
    PROTOCOL,
    Answer,
    Ask,
    Failure,
    FromConsole,
    FromEngine,
    Hello,
    Inflater,
    ProtocolError,
    Refused,
    Update,
    Welcome,
    decoder,
    encode,
    frame,
    mismatch,
)
from services.errors import UserError
from services.process import awake
from services.version import VERSION

SILENT = "the engine does not answer"
GONE = "the engine is gone"
CONNECT_WITHIN = 5.0
ANSWER_WITHIN = 30.0
_IN_A_THREAD = 256 * 1024
"""Packed bytes that take too long to unpack on the event loop."""

_first = decoder(Welcome | Refused)
_from_engine = decoder(FromEngine)


class NotConnected(UserError):
    """There is no engine to speak to; the message is one line that says why and what to do, `brief` a few words."""

    def __init__(self, message: str, brief: str = "") -> None:
        super().__init__(message)
        self.brief = brief or message


class NotRunning(NotConnected):
    """No engine runs at all."""

    exit_code = 3


class EngineError(Exception):
    """The engine could not do what was asked; the message is its own."""


class Link:
    """A connection on which questions are asked; `listen` has to run for their answers to arrive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int) -> None:
        self._reader = reader
        self._writer = writer
        self._inflater = Inflater()
        self._asked: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._questions = 0
        self._ended = ""
        self.pid = pid

    @classmethod
    async def open(cls, path: Path) -> "Link":
        """Connect and greet. Raises NotConnected."""
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                reader, writer = await asyncio.open_unix_connection(str(path))
                try:
                    return cls(reader, writer, await _greet(reader, writer))
                except BaseException:
                    writer.close()
                    raise
        except TimeoutError:
            raise NotConnected(
                f"The engine does not answer at {path}: it is stuck, or stopped by a signal.", SILENT
            ) from None
        except OSError:
            raise NotConnected(f"No engine listens at {path}: it is starting, or has just ended.", GONE) from None
        except (EOFError, ProtocolError, msgspec.MsgspecError):
            raise NotConnected(f"What listens at {path} is no engine.", "no engine listens there") from None

    def send(self, message: FromConsole) -> None:
        """Say something. Raises ValueError for what is too long."""
        payload = encode(message)
        if len(payload) > MOST_ASKED:
            raise ValueError(f"{len(payload):,} bytes are too many for one question")
        self._writer.write(frame(payload))

    async def ask(self, method: str, arguments: dict[str, Any], deadline: float = ANSWER_WITHIN) -> Any:
        """Call a method of the console port.

        Raises: what the method raises where that is a ValueError or KeyError, else EngineError; NotConnected.
        """
        if self._ended:
            raise NotConnected(self._ended)
        self._questions += 1
        number = self._questions
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = method, answer
        try:
            self.send(Ask(number, method, msgspec.Raw(encode(arguments))))
            async with asyncio.timeout(deadline):
                return await answer
        except TimeoutError:
            raise EngineError(f"no answer within {deadline:.0f} s") from None
        finally:
            del self._asked[number]

    async def listen(self, on_update: Callable[[Update], None], silence: float | None = None) -> None:
        """Take what the engine says until the connection ends or it says nothing for `silence` seconds.

        Time in which this process slept, suspended by Ctrl-Z, is no silence of the engine's.

        Raises: NotConnected, always.
        """
        try:
            while True:
                packed = await _heard(self._reader, silence)
                small = len(packed) <= _IN_A_THREAD
                message = self._unpacked(packed) if small else await asyncio.to_thread(self._unpacked, packed)
                if isinstance(message, Update):
                    on_update(message)
                else:
                    self._settle(message)
        except TimeoutError:
            self._ended = SILENT
        except (OSError, EOFError):
            self._ended = GONE
        except (ProtocolError, msgspec.MsgspecError) as error:
            self._ended = f"the engine cannot be understood ({error})"
        raise NotConnected(self._ended)

    def close(self) -> None:
        """Hang up; every question that waits for an answer raises."""
        self._ended = self._ended or "the connection was closed"
        for _, answer in self._asked.values():
            if not answer.done():
                answer.set_exception(NotConnected(self._ended))
        self._writer.close()

    def _unpacked(self, packed: bytes) -> FromEngine:
        message: FromEngine = _from_engine.decode(self._inflater.unpack(packed))
        return message

    def _settle(self, message: Answer | Failure) -> None:
        method, answer = self._asked.get(message.id, ("", None))
        if answer is None or answer.done():
            return
        if isinstance(message, Failure):
            kinds: dict[str, type[Exception]] = {"value": ValueError, "key": KeyError}
            answer.set_exception(kinds.get(message.kind, EngineError)(message.message))
            return
        try:
            answer.set_result(METHODS[method].result(message.value))
        except msgspec.MsgspecError as error:
            answer.set_exception(EngineError(f"an answer that cannot be understood: {error}"))


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Link]:
    """A link for a few questions. Raises NotConnected."""
    link = await Link.open(path)
    listening = asyncio.create_task(link.listen(lambda update: None))
    listening.add_done_callback(lambda task: link.close())
    try:
        yield link
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        link.close()


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """The engine's process id. Raises NotConnected where it refuses."""
    hello = Hello(PROTOCOL, VERSION)
    writer.write(frame(encode(hello)))
    answer: Welcome | Refused = _first.decode(await _read(reader, MOST_FIRST))
    if isinstance(answer, Refused):
        raise NotConnected(answer.reason)
    reason = mismatch(answer, engine=answer, console=hello)
    if reason:
        raise NotConnected(reason)
    return answer.pid


async def _heard(reader: asyncio.StreamReader, silence: float | None) -> bytes:
    """The next frame. Raises TimeoutError where none comes in `silence` seconds in which this process was awake."""
    if silence is None:
        return await _read(reader, MOST_SAID)
    reading = asyncio.create_task(_read(reader, MOST_SAID))
    try:
        return await awake.within(silence, reading)
    finally:
        reading.cancel()


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    if length > most:
        raise ProtocolError(f"a frame of {length:,} bytes")
    return await reader.readexactly(length)
