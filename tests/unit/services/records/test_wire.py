"""The wire: what a record says comes back exactly, and what cannot be a transaction says why."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.transaction import Device, GroundTruth, Location, Merchant, Transaction
from services.records import wire
from services.records.mapping import Mapping

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def record(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "transaction_id": "t-1",
        "user_id": "u-1",
        "amount": "12.50",
        "currency": "EUR",
        "timestamp": "2026-03-04T12:00:00Z",
    }
    fields.update(changes)
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


FULL = Transaction(
    transaction_id="t-1",
    user_id="u-1",
    amount=Decimal("1234567.89"),
    currency="JPY",
    timestamp=NOON,
    location=Location("JP", "Tōkyō", 35.68, 139.69),
    transaction_type="purchase",
    merchant=Merchant("m-1", "Suzuki \\u0000 literally", "groceries"),
    payment_method="credit_card",
    device=Device("d-1", "mobile", "192.0.2.1"),
    extra={"channel": "web", "location.zip": "100", "basket": [{"sku": 5, "price": 1.25}]},
)


def test_a_transaction_comes_back_as_it_was_sent() -> None:
    assert wire.decode(wire.encode(FULL)) == FULL


def test_only_five_fields_are_required() -> None:
    transaction = wire.decode(record())
    assert transaction == Transaction(
        transaction_id="t-1", user_id="u-1", amount=Decimal("12.50"), currency="EUR", timestamp=NOON
    )


@pytest.mark.parametrize("literal", ["0.1", "999999999999999.99999999", "-42.10", '"0.30"', "7"])
def test_amounts_are_exact_whether_number_or_text(literal: str) -> None:
    payload = record(amount="AMOUNT").replace(b'"AMOUNT"', literal.encode())
    with_unknown = payload[:-1] + b', "x": 1}'
    assert wire.decode(payload).amount == Decimal(literal.strip('"'))
    assert wire.decode(with_unknown).amount == Decimal(literal.strip('"'))


@given(st.decimals(-(10**15), 10**15, allow_nan=False, places=8))
def test_any_amount_in_range_survives_the_round_trip(amount: Decimal) -> None:
    sent = Transaction(transaction_id="t", user_id="u", amount=amount, currency="EUR", timestamp=NOON)
    assert wire.decode(wire.encode(sent)).amount == amount


def test_scientific_notation_is_written_out() -> None:
    assert str(wire.decode(record(amount="1E+3")).amount) == "1000"
    assert str(wire.decode(record(amount="2.500000000000")).amount) == "2.50000000"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-04T12:00:00Z", NOON),
        ("2026-03-04T12:00:00", NOON),
        ("2026-03-04 12:00:00", NOON),
        ("2026-03-04T17:30:00+05:30", NOON),
    ],
)
def test_timestamps_become_utc_and_no_zone_means_utc(text: str, instant: datetime) -> None:
    timestamp = wire.decode(record(timestamp=text)).timestamp
    assert timestamp == instant
    assert timestamp.tzinfo is UTC


def test_unknown_fields_are_kept_nested_ones_under_a_dotted_key() -> None:
    transaction = wire.decode(
        record(
            mcc=5411,
            tags=["a", None, True],
            rate=1.25,
            location={"country": "DE", "zip": "10115"},
            merchant={"terminal": {"id": 7}},
            device=None,
        )
    )
    assert transaction.location == Location("DE")
    assert transaction.extra == {
        "mcc": 5411,
        "tags": ["a", None, True],
        "rate": 1.25,
        "location.zip": "10115",
        "merchant.terminal": {"id": 7},
    }
    assert wire.decode(wire.encode(transaction)) == transaction


def test_a_foreign_field_called_extra_is_kept_too() -> None:
    assert wire.decode(record(extra="gift wrap")).extra == {"extra": "gift wrap"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"user_id": ...}, "user_id is missing"),
        ({"user_id": 5.5}, "user_id is the number 5.5, not a text"),
        ({"user_id": True}, "user_id is true, not a text"),
        ({"user_id": {"no": 5}}, 'user_id is the object {"no":5}, not a text'),
        ({"user_id": " "}, "user_id is empty"),
        ({"transaction_id": ""}, "transaction_id is empty"),
        ({"transaction_id": "x" * 257}, "transaction_id has 257 characters; at most 256 are accepted"),
        ({"merchant": {"id": "x" * 257}}, "merchant.id has 257 characters; at most 256 are accepted"),
        ({"amount": None}, "amount is null"),
        ({"amount": "ten"}, "amount is the text 'ten', not a decimal number"),
        ({"amount": "NaN"}, "amount is the text 'NaN', not a decimal number"),
        ({"amount": "1_000"}, "amount is the text '1_000', not a decimal number"),
        ({"amount": "１２"}, "amount is the text '\\uff11\\uff12', not a decimal number"),
        ({"amount": 2**63}, "amount is beyond 10^15"),
        ({"amount": "0.123456789"}, "amount has more than 8 decimals"),
        ({"currency": "ZZZ"}, "currency 'ZZZ' is not an ISO 4217 code"),
        ({"timestamp": "yesterday"}, "timestamp is the text 'yesterday', not an RFC 3339 timestamp"),
        ({"timestamp": 1700000000}, "timestamp 1700000000 is a number; name its unit with timestamp_format"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "timestamp is in the year 1969, outside 1970..2200"),
        ({"timestamp": "0001-01-01T00:00:00Z"}, "timestamp is in the year 1, outside 1970..2200"),
        (
            {"timestamp": "0001-01-01T00:00:00+10:00"},
            "timestamp '0001-01-01T00:00:00+10:00' is outside the years 1..9999",
        ),
        ({"location": {"latitude": 90.5}}, "location.latitude 90.5 is outside -90..90 degrees"),
        ({"location": {"longitude": "x"}}, "location.longitude is the text 'x', not a number of degrees"),
        ({"location": []}, "location is the list [], not an object"),
        ({"payment_method": "a\0b"}, "payment_method contains the character U+0000 (NUL)"),
        ({"note": {"deep": "a\0b"}}, "'deep' contains the character U+0000 (NUL)"),
        ({"no\0te": 1}, "a field name contains the character U+0000 (NUL)"),
        ({"payment_method": "\ud800"}, "a text is not valid Unicode (a lone surrogate)"),
        ({"note": "\udfff"}, "a text is not valid Unicode (a lone surrogate)"),
        ({"note": 2**63}, "'note' is a number of 2^63 or beyond"),
        ({"merchant": {"name": "x" * 2_000_000}}, "merchant.name has 2,000,000 characters; at most 4,096 are accepted"),
        ({"note": "x" * 2_000_000}, "'note' has 2,000,000 characters; at most 4,096 are accepted"),
        ({"note": ["x" * 4000] * 20}, "the unknown fields take 80,"),
    ],
)
def test_a_record_that_cannot_be_a_transaction_says_why(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(wire.InvalidRecord) as invalid:
        wire.decode(record(**changes))
    assert invalid.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "the record is empty"),
        (b'{"transaction_id": ', "the JSON is malformed: it ends too early"),
        (b"{'a': 1}", "the JSON is malformed: "),
        (b"[1]", "the record is the list [1], not a JSON object"),
        (b"null", "the record is null, not a JSON object"),
        (b'{"a": NaN}', "the JSON is malformed: "),
        (b'{"a": 1e99999999999999999999}', "a number is out of range"),
        (b'{"a": "\xff"}', "the record is not valid UTF-8"),
        (record()[:-1] + b', "a": "\xed\xa0\x80"}', "the record is not valid UTF-8"),
        (b"[" * 100_000, "the JSON is nested too deep"),
        (record(a="B").replace(b'"B"', b"[" * 40 + b"]" * 40), "'a' is nested more than 32 levels deep"),
    ],
)
def test_a_payload_that_is_no_json_object_says_why(payload: bytes, reason: str) -> None:
    with pytest.raises(wire.InvalidRecord) as invalid:
        wire.decode(payload)
    assert invalid.value.reason.startswith(reason)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_no_payload_raises_anything_but_invalid_record(payload: bytes) -> None:
    with pytest.raises(wire.InvalidRecord):
        wire.decode(payload)


def test_a_foreign_topic_is_read_through_a_mapping() -> None:
    mapping = Mapping.from_dict(
        {
            "timestamp_format": "ms",
            "fields": {"transaction_id": "id", "user_id": "card.holder", "timestamp": "at", "merchant": {"id": "shop"}},
            "set": {"currency": "USD"},
            "label": {"field": "is_fraud", "kind": "scenario"},
        }
    )
    payload = (
        b'{"id": 17, "card": {"holder": 42, "bin": "4111"}, "amount": 10.10, "at": 1772625600000,'
        b' "shop": 9, "is_fraud": 1, "scenario": 3}'
    )
    transaction, truth, *_ = wire.read(payload, mapping)
    assert transaction == Transaction(
        transaction_id="17",
        user_id="42",
        amount=Decimal("10.10"),
        currency="USD",
        timestamp=NOON,
        merchant=Merchant("9"),
        extra={"card": {"bin": "4111"}},
    )
    assert truth == GroundTruth(anomalous=True, kind="3")
    assert wire.decode(payload, mapping) == transaction


@pytest.mark.parametrize(
    ("offset", "reason"),
    [
        (timedelta(days=365), "timestamp is 365 days ahead of the clock; at most 5 minutes are accepted"),
        (timedelta(minutes=6), "timestamp is 6 minutes ahead of the clock; at most 5 minutes are accepted"),
        (timedelta(days=-365), "timestamp is 365 days old; at most 7 days are accepted"),
    ],
)
def test_an_event_far_from_the_clock_is_invalid(offset: timedelta, reason: str) -> None:
    with pytest.raises(wire.InvalidRecord, match=reason):
        wire.check_clock(FULL, NOON - offset)


@pytest.mark.parametrize("offset", [timedelta(0), timedelta(minutes=5), timedelta(days=-7)])
def test_an_event_near_the_clock_is_accepted(offset: timedelta) -> None:
    wire.check_clock(FULL, NOON - offset)


def test_ground_truth_travels_in_its_header() -> None:
    truth = GroundTruth(anomalous=True, kind="amount_spike")
    assert wire.decode_truth(wire.encode_truth(truth)) == truth


@pytest.mark.parametrize("header", [None, b"", b"yes", b"{}", b'{"anomalous": 1}', b"\xff"])
def test_a_header_that_is_no_ground_truth_is_none(header: bytes | None) -> None:
    assert wire.decode_truth(header) is None
