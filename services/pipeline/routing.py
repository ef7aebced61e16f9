"""Which partition of the copy a record belongs in, and when it happened: as little decoding as tells both."""

import zlib
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import msgspec

from services.records import wire
from services.records.mapping import Mapping


class Route(NamedTuple):
    """Whose record it is and its event time in seconds."""

    user: str
    time: float


Router = Callable[[bytes | None], Route | None]


class _Ours(msgspec.Struct, gc=False):
    user_id: str
    timestamp: datetime


_ours = msgspec.json.Decoder(_Ours).decode


def router(mapping: Mapping | None) -> Router:
    """Tells of a record's value; None of what is no transaction, which becomes a dead letter wherever it is read."""

    def thorough(value: bytes | None) -> Route | None:
        if value is None:
            return None
        try:
            transaction = wire.decode(value, mapping)
        except wire.InvalidRecord:
            return None
        return Route(transaction.user_id, transaction.timestamp.timestamp())

    def quick(value: bytes | None) -> Route | None:
        try:
            found = _ours(value or b"")
        except (ValueError, RecursionError):
            return thorough(value)
        if found.timestamp.tzinfo is None:
            return thorough(value)
        return Route(found.user_id, found.timestamp.timestamp())

    return quick if mapping is None else thorough


def partition_of(user: bytes, partitions: int) -> int:
    """The same for ever, in every process: CRC-32 as librdkafka's `consistent` partitioner has it."""
    return zlib.crc32(user) % partitions
