"""Which partition of the copy a record belongs in, and when it happened: as little decoding as tells both."""

import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from services.records import wire
from services.records.mapping import Mapping


class Route(NamedTuple):
    """Whose record it is and its event time in seconds."""

    user: str
    time: float


Headers = Sequence[tuple[str, bytes | None]] | None
Router = Callable[[bytes | None, Headers], Route | None]


class _Ours(msgspec.Struct, gc=False):
    user_id: str
    timestamp: datetime


_ours = msgspec.json.Decoder(_Ours).decode


def router(mapping: Mapping | None) -> Router:
    """Tells of a record's value and headers; None of what is no transaction, wherever that is read.

    What it gives raises: wire.Unreachable where a schema registry has to be asked and does not answer.
    """

    def thorough(value: bytes | None, headers: Headers) -> Route | None:
        if value is None:
            return None
        try:
            transaction = wire.read(value, mapping, dict(headers or ())).transaction
        except wire.Unreachable:
            raise
        except Exception:
            # Scoring says what is wrong, whether it is the record's fault or ours.
            return None
        return Route(transaction.user_id, transaction.timestamp.timestamp())

    def quick(value: bytes | None, headers: Headers) -> Route | None:
        try:
            found = _ours(value or b"")
        except (ValueError, RecursionError):
            return thorough(value, headers)
        if found.timestamp.tzinfo is None:
            return thorough(value, headers)
        return Route(found.user_id, found.timestamp.timestamp())

    return quick if mapping is None else thorough


def partition_of(user: bytes, partitions: int) -> int:
    """The partition of a user, the same in every process and release: CRC-32 as librdkafka's `consistent` partitioner has it."""
    return zlib.crc32(user) % partitions
