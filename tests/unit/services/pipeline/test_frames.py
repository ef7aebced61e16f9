"""What travels between an engine and a process that scores for it arrives as it was."""

import contextlib
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from domain.transaction import Transaction
from services.pipeline.frames import HEAD, Raised, Row, Setup, Taken, framed, opened
from services.records import wire
from services.records.mapping import Mapping
from services.records.presets import PRESETS
from services.records.registry import SchemaRegistry, Unreachable
from services.store.encoded import Encoded

PAID = Transaction(
    transaction_id="t-1",
    user_id="u-1",
    amount=Decimal("1.50"),
    currency="EUR",
    timestamp=datetime(2026, 3, 1, tzinfo=UTC),
)


class Odd(Exception):
    """An error that cannot be made of its message."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


def carried(what: object) -> object:
    return opened(bytes(framed(what)[HEAD:]))


def test_records_arrive_with_their_keys_only_where_those_are_looked_at() -> None:
    headers = (("name", b"value"), ("none", None))
    rows = [Row(7, 1, b"u-1", b"{}", headers), Row(8, 2, None, None, ())]
    for keys in (True, False):
        taken = carried(Taken.of(rows, keys=keys))
        assert isinstance(taken, Taken)
        assert taken.records == [Row(7, 1, b"u-1" if keys else None, b"{}", headers), Row(8, 2, None, None, ())]


@pytest.mark.parametrize("error", [Odd("one", "two"), wire.InvalidRecord("it is wrong")])
def test_an_error_arrives_with_its_traceback(error: Exception) -> None:
    try:
        raise error
    except Exception as raised:
        arrived = carried(Raised.of(raised))
    assert isinstance(arrived, Raised)
    assert str(error) in str(arrived.here)
    assert type(arrived.here) in (type(error), RuntimeError)
    assert "test_frames.py" in str(arrived.here.__cause__)


@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_a_mapping_that_was_used_can_travel(preset: str | None) -> None:
    registry = SchemaRegistry("http://127.0.0.1:9", credentials="user:password")
    mapping = Mapping(fields={"user_id": "customer"}, preset=preset, registry=registry)
    with contextlib.suppress(wire.InvalidRecord):
        wire.read(b'{"customer": "u-1"}', mapping)
    with contextlib.suppress(Unreachable):
        registry.document(b"\0\0\0\0\1{}")
    setup = carried(Setup(mapping, 0))
    assert isinstance(setup, Setup)
    arrived = setup.mapping
    assert arrived is not None
    assert arrived.registry is not None
    assert (arrived.fields, arrived.preset, arrived.registry.url) == (mapping.fields, preset, registry.url)


def test_transactions_are_decoded_when_they_are_asked_for() -> None:
    rows = Encoded([wire.encode(PAID)] * 3)
    assert (len(rows), rows[1], rows[1:], list(rows)) == (3, PAID, [PAID] * 2, [PAID] * 3)
