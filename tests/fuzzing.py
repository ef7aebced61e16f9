"""Records as no producer of ours sends them, by the dice: hostile, damaged, repeated, and some that are well."""

import json
import random
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from services.records.wire import CLOCK_HEADER, CLOCK_REPLAY, REFUSED_HEADER, TRUTH_HEADER, UPDATED_HEADER

SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 1e308, 10**30, -(2**63), 0.1, 1795680000, 1795680000000),
    *("", " ", "EUR", "eur", "978", "XXX", "HRK", "12.50", "-0", "1e999999999", "NaN", "0x10", "٣", "9" * 400, "a\0b"),
    *("\ud800", "\u202e", "\x1b[2J", "{}", "[1", '{"amt": 1}', "2026-11-26T23:59:60Z", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59-12:00", "2026-02-30", "x" * 20_000, [], {}, [[[]]], {"scale": 10**9, "value": "AA=="}),
)
NAMES = (
    *("transaction_id", "user_id", "amount", "currency", "timestamp", "location", "merchant", "device", "extra"),
    *("latitude", "ip", "merchant_id", "payload", "after", "op", "data", "specversion", "name", "", "a.b", "\0"),
)
HEADERS: tuple[tuple[str, bytes | None], ...] = (
    *((CLOCK_HEADER, CLOCK_REPLAY), (CLOCK_HEADER, None), (REFUSED_HEADER, None), (REFUSED_HEADER, b"\xff\0why")),
    *((TRUTH_HEADER, b'{"anomalous":true,"kind":"\\u0000"}'), (TRUTH_HEADER, b"{"), (UPDATED_HEADER, b"")),
    *(("refused", None), ("anomaly-tui-source", b"0:0:1"), ("anomaly-tui-source", b"x"), ("ce_id", b"\xff"), ("", b"")),
)


class Hostile(NamedTuple):
    """A record as it is sent."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def hostile(dice: random.Random, users: int = 50) -> Iterator[Hostile]:
    """For ever; of the same dice the same."""
    number = 0
    while True:
        number += 1
        user = f"u-{dice.randrange(users)}"
        again = dice.random() < 0.05
        record: dict[str, Any] = {
            "transaction_id": f"f-{dice.randrange(number) if again else number}",
            "user_id": user,
            "amount": f"{dice.randrange(1, 10**6) / 100:.2f}",
            "currency": "EUR",
            "timestamp": f"2026-03-0{dice.randrange(1, 9)}T{dice.randrange(24):02}:00:{dice.randrange(60):02}Z",
        }
        key = dice.choice((None, user.encode(), b"\xff\xfe", b""))
        headers = [(CLOCK_HEADER, CLOCK_REPLAY)] if dice.random() < 0.9 else []
        headers += [dice.choice(HEADERS) for _ in range(dice.choice((0, 0, 0, 1, 3)))]
        yield Hostile(key, _value(dice, record), headers)


def _value(dice: random.Random, record: dict[str, Any]) -> bytes | None:
    kind = dice.randrange(10)
    if kind >= 6:
        return json.dumps(record).encode()
    if kind == 0:
        return dice.choice((None, b"", b"null", b"\0", b"[]", dice.randbytes(dice.randrange(60))))
    if kind <= 2:
        for _ in range(dice.randrange(1, 4)):
            record[dice.choice(NAMES)] = _any(dice, 3)
        if dice.random() < 0.2:
            del record[dice.choice(list(record))]
        text = json.dumps(record).encode()
        return json.dumps(text.decode()).encode() if dice.random() < 0.1 else text
    if kind == 3:
        envelope = {"op": dice.choice(("c", "u", "d", None)), "after": dice.choice((record, _any(dice, 2)))}
        return json.dumps(dice.choice((envelope, {"schema": None, "payload": envelope}))).encode()
    text = json.dumps(record).encode()
    if kind == 4:
        return struct.pack(">bI", 0, dice.randrange(9)) + dice.choice((text, text[9:]))
    at = dice.randrange(len(text))
    return text[:at] + dice.randbytes(dice.randrange(3)) + text[at + dice.randrange(3) :]


def _any(dice: random.Random, depth: int) -> Any:
    if depth == 0 or dice.random() < 0.7:
        return dice.choice(SCALARS)
    if dice.random() < 0.5:
        return [_any(dice, depth - 1) for _ in range(dice.randrange(4))]
    return {dice.choice(NAMES): _any(dice, depth - 1) for _ in range(dice.randrange(4))}
