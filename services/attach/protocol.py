"""The messages between console and engine, and their encoding.

A frame is its length, four bytes big-endian, and that many bytes of MessagePack. The console begins with `Hello`, the
engine answers with `Welcome` or `Refused`; these never change, so that any version can explain itself to any other.
After that all that the engine sends is one deflate stream with a flush after each frame: what a frame repeats of the
ones before costs next to nothing.
"""

import struct
import zlib
from datetime import datetime
from typing import Any, Literal

import msgspec

from domain.engine import LogLine
from domain.filters import Filter, parse
from domain.triage import TriageEvent
from domain.verdict import ScoredTransaction
from services.console.reader import Mark

PROTOCOL = 2

LENGTH = struct.Struct(">I")
MOST_ASKED = 4 * 1024 * 1024
"""Bytes of a frame from a console: the longest is a decision on 10,000 transactions."""
MOST_SAID = 64 * 1024 * 1024
"""Bytes of a frame from an engine, packed and unpacked: the longest is an export of 10,000 transactions."""
MOST_FIRST = 4 * 1024
"""Bytes of the first frame of either side."""


class ProtocolError(Exception):
    """The other side breaks the protocol: the connection is closed."""


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The console's first words."""

    protocol: int
    version: str


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """The engine's: it will answer."""

    protocol: int
    version: str
    pid: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The engine's: it will not, and why, in one line."""

    reason: str


class Subscribe(msgspec.Struct, frozen=True, tag=True):
    """Send an `Update` so many times a second; from `after` on, if that is still the same engine."""

    hz: float
    after: Mark | None = None


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Of the feed send what matches, so many rows a quarter of a second."""

    filter: Filter
    rows: int


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Call a method of the console port."""

    id: int
    method: str
    arguments: msgspec.Raw


class FeedPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a feed up to the sequence `upto`; the rest as in `FeedSlice`."""

    upto: int
    rows: tuple[ScoredTransaction, ...] = ()
    missed: int = 0
    unmatched: int = 0
    refill: bool = False


class Update(msgspec.Struct, frozen=True, omit_defaults=True, tag=True):
    """What changed since the last one.

    `snapshot` has the fields that changed. Flagged rows of `feed` belong to the anomalies as well and are not
    repeated in `anomalies`.
    """

    snapshot: dict[str, msgspec.Raw]
    feed: FeedPart
    anomalies: FeedPart
    events: tuple[TriageEvent, ...] = ()
    logs: tuple[LogLine, ...] = ()


class Answer(msgspec.Struct, frozen=True, tag=True):
    """What the method returned."""

    id: int
    value: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, tag=True):
    """What the method raised: a ValueError, a KeyError, or anything else, with its message."""

    id: int
    kind: Literal["value", "key", "other"]
    message: str


FromConsole = Subscribe | Watch | Ask
FromEngine = Update | Answer | Failure


def encode(value: object) -> bytes:
    """A message, or a part of one."""
    return _ENCODER.encode(value)


def decoder(type: Any) -> "msgspec.msgpack.Decoder[Any]":
    """Decodes that type. Its `decode` raises msgspec.MsgspecError."""
    return msgspec.msgpack.Decoder(type, dec_hook=_understood)


def frame(payload: bytes) -> bytes:
    """The payload behind its length."""
    return LENGTH.pack(len(payload)) + payload


def mismatch(theirs: Hello | Welcome, *, engine: Hello | Welcome, console: Hello | Welcome) -> str:
    """Why these two cannot speak with each other; empty when they can."""
    if theirs.protocol == PROTOCOL:
        return ""
    return (
        f"the engine is anomaly-tui {engine.version} (protocol {engine.protocol}), this command {console.version} "
        f"(protocol {console.protocol}): restart the engine, or use the version that it runs"
    )


class Deflater:
    """Packs what the engine says."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj()

    def pack(self, payload: bytes) -> bytes:
        """A frame."""
        return frame(self._stream.compress(payload) + self._stream.flush(zlib.Z_SYNC_FLUSH))


class Inflater:
    """Unpacks it again."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    def unpack(self, packed: bytes) -> bytes:
        """The payload. Raises ProtocolError for what is no deflate stream, or far too large."""
        try:
            payload = self._stream.decompress(packed, MOST_SAID)
        except zlib.error as error:
            raise ProtocolError(f"not a deflate stream: {error}") from None
        if self._stream.unconsumed_tail:
            raise ProtocolError(f"a frame of more than {MOST_SAID:,} bytes")
        return payload


def _plain(value: object) -> object:
    if isinstance(value, Filter):
        return value.text, value.now
    raise NotImplementedError(type(value).__name__)


def _understood(type: object, value: Any) -> Any:
    if type is Filter:
        # The console's moment, so that both find the same rows.
        text, now = msgspec.convert(value, tuple[str, datetime | None])
        return parse(text, now)
    raise NotImplementedError(str(type))


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
