"""Columns of many rows as COPY reads them in PostgreSQL's binary format.

asyncpg encodes records value by value, which costs more than scoring does; whole columns cost a fifth of that. Source:
the documentation of PostgreSQL, "COPY", Binary Format; of numbers `numeric_recv` in its numeric.c.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.compiled import compiled

Bytes = NDArray[np.uint8]
Lengths = NDArray[np.int32]
Times = NDArray[np.int64]
"""In microseconds since 1970."""

NULL = -1
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_POSTGRESQL_EPOCH = (datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


class Column(NamedTuple):
    """The values of a column one after the other, and how many bytes each has, shape (n,), `NULL` for a null."""

    values: bytes
    lengths: Lengths


def texts(values: Sequence[str | None]) -> Column:
    """A column of text, or of json. Raises: UnicodeEncodeError for what is no Unicode."""
    if None not in values:
        return _texts(values)  # type: ignore[arg-type]
    known = np.array([value is not None for value in values])
    return spread(_texts([value for value in values if value is not None]), known)


def _texts(values: Sequence[str]) -> Column:
    joined = "".join(values)
    sized: Sequence[str | bytes] = values if joined.isascii() else [value.encode() for value in values]
    return Column(joined.encode(), _lengths(sized))


def _lengths(values: Sequence[str | bytes]) -> Lengths:
    try:
        # Nearly all are short, which takes a quarter less this way.
        return np.frombuffer(bytes(map(len, values)), np.uint8).astype(np.int32)
    except ValueError:
        return np.fromiter(map(len, values), np.int32, len(values))


def some_texts(values: Mapping[int, str], n: int) -> Column:
    """A column of n texts most of which are null: those that are not, by row."""
    lengths = np.full(n, NULL, np.int32)
    if not values:
        return Column(b"", lengths)
    places = sorted(values)
    column = _texts([values[row] for row in places])
    lengths[places] = column.lengths
    return Column(column.values, lengths)


def spread(column: Column, known: NDArray[np.bool_]) -> Column:
    """The column of the rows that are `known`, shape (n,), with nulls for all others."""
    if len(column.lengths) == len(known):
        return column
    lengths = np.full(len(known), NULL, np.int32)
    lengths[known] = column.lengths
    return Column(column.values, lengths)


def numbers(values: NDArray[Any], kind: str, known: NDArray[np.bool_] | None = None) -> Column:
    """A column of `kind`: i2, i4, i8, f8, or u1 for booleans. Rows that are not `known` are null."""
    if known is not None:
        return spread(numbers(values[known], kind), known)
    encoded = values.astype(f">{kind}")
    return Column(encoded.tobytes(), np.full(len(values), encoded.itemsize, np.int32))


def floats(values: Sequence[float | None]) -> Column:
    """A column of double precision."""
    array = np.array(values, np.float64)
    return numbers(array, "f8", ~np.isnan(array))


def microseconds(values: Sequence[datetime]) -> Times:
    """Times in microseconds since 1970, shape (n,)."""
    return np.array([(value - _EPOCH) // _MICROSECOND for value in values], np.int64)


def moment(value: int) -> datetime:
    """The time of so many microseconds since 1970."""
    return _EPOCH + value * _MICROSECOND


def moments(values: Times) -> Column:
    """A column of timestamptz of times in microseconds since 1970."""
    return numbers(values - _POSTGRESQL_EPOCH, "i8")


def decimals(values: Sequence[Decimal]) -> Column:
    """A column of numeric; every value is finite, and keeps its number of decimals."""
    written = [*map(str, values)]
    if any("E" in value for value in written):
        written = [f"{value:f}" for value in values]
    plain = "".join(written).encode()
    lengths = _lengths(written)
    encoded = np.empty(2 * len(plain) + 14 * len(written), np.uint8)
    size = _numeric(np.frombuffer(plain, np.uint8), lengths, encoded)
    return Column(encoded[:size].tobytes(), lengths)


def rows(columns: Sequence[Column]) -> memoryview:
    """What COPY reads: the rows of these columns, all of one length."""
    values = [column.values for column in columns]
    lengths = np.array([column.lengths for column in columns])
    starts = np.cumsum([0, *map(len, values[:-1])])
    size = lengths.shape[1] * (2 + 4 * len(columns)) + sum(map(len, values))
    payload = np.empty(len(_HEADER) + size + len(_TRAILER), np.uint8)
    payload[: len(_HEADER)] = np.frombuffer(_HEADER, np.uint8)
    payload[len(_HEADER) + size :] = np.frombuffer(_TRAILER, np.uint8)
    _interleave(np.frombuffer(b"".join(values), np.uint8), starts, lengths, payload[len(_HEADER) :])
    # Not bytes, which asyncpg takes for the path of a file.
    return payload.data


@compiled
def _interleave(values: Bytes, starts: NDArray[np.int64], lengths: NDArray[np.int32], payload: Bytes) -> None:
    columns, n = lengths.shape
    at = 0
    for row in range(n):
        payload[at], payload[at + 1] = columns >> 8, columns & 255
        at += 2
        for column in range(columns):
            length = lengths[column, row]
            for byte in range(4):
                payload[at + byte] = (length >> (24 - 8 * byte)) & 255
            at += 4
            start = starts[column]
            for byte in range(length):
                payload[at + byte] = values[start + byte]
            if length > 0:
                starts[column] = start + length
                at += length


@compiled
def _numeric(plain: Bytes, lengths: Lengths, encoded: Bytes) -> int:
    """Encode numbers that are written as `-12.34`; `lengths` become those of what is encoded. Gives its size.

    PostgreSQL counts in digits of 10,000: how many there are, the power of the first, the sign, how many decimals are
    shown, then the digits.
    """
    start = at = 0
    for row in range(len(lengths)):
        end = start + lengths[row]
        negative = plain[start] == 45
        first = start + 1 if negative else start
        point = first
        while point < end and plain[point] != 46:
            point += 1
        decimals = max(end - point - 1, 0)
        power = (point - first + 3) // 4 - 1
        # The digits of the first group begin before the number where it has fewer than four.
        place = point - 4 * (power + 1)
        digits, began = 0, at + 8
        while place < point or place - point <= decimals:
            digit = 0
            for number in range(place, place + 4):
                digit = 10 * digit + (int(plain[number]) - 48 if first <= number < end else 0)
            place += 4 if place + 4 != point else 5
            if digits == 0 and digit == 0:
                power -= 1
                continue
            encoded[began + 2 * digits], encoded[began + 2 * digits + 1] = digit >> 8, digit & 255
            digits += 1
        while digits > 0 and encoded[began + 2 * digits - 2] == 0 and encoded[began + 2 * digits - 1] == 0:
            digits -= 1
        head = (digits, power if digits else 0, 0x4000 if negative and digits else 0, decimals)
        for field in range(4):
            encoded[at + 2 * field] = (head[field] >> 8) & 255
            encoded[at + 2 * field + 1] = head[field] & 255
        lengths[row] = 8 + 2 * digits
        at = began + 2 * digits
        start = end
    return at
