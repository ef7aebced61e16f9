"""Records of a topic become transactions, dead letters or are skipped, whatever is in them; none raises."""

import json
import os
import random
import struct
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.transaction import GroundTruth
from services.pipeline.scoring import UNEXPECTED, Decoded, decode
from services.process.redaction import redacted
from services.records.mapping import Mapping
from services.records.wire import CLOCK_HEADER, CLOCK_REPLAY, REFUSED_HEADER, TRUTH_HEADER, read_ours
from tests.fuzzing import Hostile, hostile

EXAMPLES = int(os.environ.get("ANOMALY_TUI_FUZZ", "150"))
NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
OURS = {
    "transaction_id": "t-1",
    "user_id": "u-1",
    "amount": "12.50",
    "currency": "EUR",
    "timestamp": "2026-11-26T08:00:00Z",
}


class Sent(NamedTuple):
    """A record as a consumer hands it over."""

    value: bytes | None
    headers: Any = ()
    offset: int = 7
    timestamp: Any = 1_795_680_000_000


def ours(**changes: Any) -> bytes:
    return json.dumps(OURS | changes).encode()


def decoded(*records: Sent, mapping: Mapping | None = None) -> Decoded:
    return decode(records, mapping, NOW)


def test_a_header_of_another_program_refuses_nothing() -> None:
    found = decoded(*(Sent(ours(), [("refused", value)]) for value in (None, b"", b"yes", b"\xff" * 1_000_000)))
    assert len(found.transactions) == 4


def test_a_header_of_ours_without_a_value_says_nothing() -> None:
    nothing = [(name, None) for name in (REFUSED_HEADER, TRUTH_HEADER, CLOCK_HEADER)]
    (found,) = decoded(Sent(ours(), nothing)).transactions
    assert found.truth is None


def test_a_valid_record_is_a_transaction_whatever_its_headers_claim() -> None:
    claimed = decoded(Sent(ours(), [(REFUSED_HEADER, b"the row has 3 cells")]))
    assert [record.payload for record in claimed.transactions] == [ours()]
    assert claimed.dead == []


def test_a_row_that_our_producer_refused_is_a_dead_letter_with_its_reason() -> None:
    found = decoded(Sent(b"1,2,3", [(REFUSED_HEADER, b"the row has 3 cells"), ("other", None)]))
    assert [(dead.payload, dead.reason) for dead in found.dead] == [(b"1,2,3", "the row has 3 cells")]
    broken = decoded(Sent(b"x", [(REFUSED_HEADER, b"\xff\0" * 100_000)])).dead[0].reason
    assert len(broken) <= 8192
    assert "\0" not in broken


def test_ground_truth_and_a_clock_of_its_own_come_from_our_headers() -> None:
    old = ours(timestamp="2020-01-01T00:00:00Z")
    headers = [(TRUTH_HEADER, b'{"anomalous":true}'), (CLOCK_HEADER, CLOCK_REPLAY)]
    (found,) = decoded(Sent(old, headers)).transactions
    assert found.truth == GroundTruth(anomalous=True)
    assert "days old" in decoded(Sent(old, [("event-clock", CLOCK_REPLAY)])).dead[0].reason


def test_tombstones_and_deletions_are_counted_and_no_dead_letters() -> None:
    deletion = json.dumps({"op": "d", "before": OURS, "after": None}).encode()
    found = decoded(Sent(None), Sent(deletion), Sent(None), mapping=Mapping.from_dict({"preset": "debezium"}))
    assert found.skipped == Counter(tombstone=2, deleted=1)
    assert (found.transactions, found.dead) == ([], [])


def test_a_record_without_a_time_counts_from_now() -> None:
    for timestamp in (None, -1, 0):
        assert decoded(Sent(ours(), timestamp=timestamp)).transactions[0].produced_at == NOW.timestamp()


def test_a_schema_number_before_json_is_taken_off() -> None:
    (found,) = decoded(Sent(b"\0\0\0\0\x07" + ours())).transactions
    assert found.transaction.user_id == "u-1"
    letters = decoded(Sent(b"\0\0\0\0\x07\x06abc"), Sent(b"\0\0")).dead
    assert letters[0].reason == "the record is of schema 7 and not JSON: name a registry with schema_registry"
    assert letters[1].reason == "the record begins with a zero byte and is no longer than a schema's number"


def as_we_write(**changes: Any) -> bytes:
    return json.dumps(OURS | changes, separators=(",", ":")).encode()


def test_records_that_are_read_together_are_read_as_each_alone() -> None:
    whole = as_we_write()
    odd = [
        whole + b"\n" + whole,
        whole[:20],
        whole[20:],
        b"\n" + whole,
        b"",
        b"null",
        as_we_write(amount="1E+3"),
        as_we_write(amount="10000000000000000"),
        as_we_write(amount="1.123456789"),
        as_we_write(user_id=" "),
        as_we_write(transaction_id="x" * 257),
        as_we_write(currency="XXX"),
        as_we_write(timestamp="1969-12-31T23:59:59Z"),
        as_we_write(timestamp="2026-08-01T12:00:00+02:00"),
        as_we_write(location={"latitude": 91.0}),
        as_we_write(location={"city": "A\0"}),
        as_we_write(unknown=1),
    ]
    assert read_ours([whole, whole]) is not None
    plain = [as_we_write(transaction_id=f"t-{number}") for number in range(150)]
    for number, value in enumerate(odd):
        sent = [Sent(value=each, offset=place) for place, each in enumerate([*plain[:number], value, *plain[number:]])]
        together, alone = decoded(*sent), [decoded(each) for each in sent]
        # Beside an odd one no payload is taken for the transaction itself.
        by_themselves = [msgspec.structs.replace(one, plain=False) for each in alone for one in each.transactions]
        assert [msgspec.structs.replace(one, plain=False) for one in together.transactions] == by_themselves
        assert together.dead == [one for each in alone for one in each.dead]
    split = [Sent(value=whole[:20]), Sent(value=whole[20:]), Sent(value=whole + b"\n" + whole)]
    assert len(decoded(*split).dead) == 3


@pytest.mark.parametrize("amount", ["1.123456789", "9" * 16, "9" * 400, "-1.5\n2", "1..2"])
def test_an_amount_beyond_the_limits_is_dead_whatever_it_is_read_with(amount: str) -> None:
    assert len(decoded(Sent(value=as_we_write(amount=amount))).dead) == 1
    assert len(decoded(Sent(value=as_we_write()), Sent(value=as_we_write(amount=amount), offset=1)).dead) == 1


def test_an_amount_with_a_hundred_thousand_digits_and_the_like_take_no_time() -> None:
    hostile = (
        ours().replace(b'"12.50"', b"1" * 100_000),
        ours().replace(b'"u-1"', b"1e999000"),
        ours(note="x://a:" * 50_000),
        b"\\" * 500_000,
        b'{"a":"' + b"\\" * 500_000,
        b'{"' + b'a":{"' * 100_000,
        ours(amount="9" * 4_000),
        ours(amount="9" * 200_000 + "x"),
        ours(timestamp="9" * 200_000 + "x"),
    )
    began = time.process_time()
    found = decoded(*map(Sent, hostile))
    assert len(found.dead) == len(hostile)
    assert not any(dead.reason.startswith(UNEXPECTED) or len(dead.reason) > 300 for dead in found.dead)
    assert time.process_time() - began < 2


def test_redaction_takes_linear_time() -> None:
    began = time.process_time()
    for text in ("a" * 200_000, "x://a:" * 50_000, "://" * 70_000, "a://" + "b" * 200_000, "x://a:b@" * 30_000):
        redacted(text)
    assert time.process_time() - began < 2
    assert redacted("kafka://me:pw@a,kafka://me:pw@b") in ("kafka://me:***@a,kafka://me:***@b", "kafka://me:***@b")


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "EUR",
            "eur",
            978,
            "HRK",
            "XXX",
            "12.50",
            "1e999999999",
            "NaN",
            "BAg=",
            1795680000,
            1795680000000,
            "2026-11-26T08:00:00Z",
            "2026-11-26T23:59:60Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-12:00",
            "{}",
            '{"amt": 1}',
            "[1",
            "c",
            "u",
            "d",
            10**30,
            -(2**63),
            1e308,
            "\ud800",
            "a\0b",
            "9" * 400,
            {"scale": 2, "value": "BOI="},
            {"scale": 10**9, "value": "AA=="},
        ]
    )
)
NAMES = [
    *OURS,
    "location",
    "merchant",
    "device",
    "extra",
    "country",
    "latitude",
    "ip",
    "merchant_id",
    "legs",
    "amt",
    "Debit",
    "Credit",
]
NAMES += [
    "payload",
    "schema",
    "op",
    "after",
    "before",
    "__op",
    "__deleted",
    "data",
    "data_base64",
    "specversion",
    "datacontenttype",
]
NAMES += ["fields", "field", "name", "parameters", "scale", "value", "Date", "Time", "DC", "is_fraud", "kind"]
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)
documents = objects | objects.map(lambda changes: OURS | changes) | values
envelopes = st.builds(
    lambda op, after, schema, wrap: (
        {"schema": schema, "payload": {"op": op, "after": after}} if wrap else {"op": op, "after": after}
    ),
    st.sampled_from(["c", "u", "d", "r", "t", None, []]),
    documents,
    values,
    st.booleans(),
) | st.builds(lambda data, event: {"specversion": "1.0", "data": data} | event, documents, objects)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


payloads = (
    st.none()
    | st.binary(max_size=60)
    | documents.map(as_json)
    | envelopes.map(as_json)
    | documents.map(lambda value: as_json(json.dumps(value)))
    | st.builds(
        lambda number, rest: struct.pack(">bI", 0, number) + rest,
        st.integers(0, 9),
        st.binary(max_size=20) | documents.map(as_json),
    )
    | st.builds(
        lambda value, at, byte: (text := as_json(value))[: at % len(text)] + byte + text[at % len(text) :],
        documents,
        st.integers(0, 500),
        st.binary(max_size=3),
    )
)
header_names = st.sampled_from(
    [REFUSED_HEADER, TRUTH_HEADER, CLOCK_HEADER, "refused", "ce_id", "ce_specversion", "content-type", ""]
) | st.text(max_size=5)
header_values = (
    st.none()
    | st.binary(max_size=30)
    | st.sampled_from([CLOCK_REPLAY, b'{"anomalous":true}', b'{"anomalous":true,"kind":"\\u0000"}'])
)
records = st.builds(
    Sent,
    payloads,
    st.lists(st.tuples(header_names, header_values), max_size=4),
    st.integers(0, 2**63 - 1),
    st.none() | st.integers(-1, 2**62),
)
MAPPINGS = [
    None,
    Mapping(),
    *(
        Mapping.from_dict(settings)
        for settings in (
            {"preset": "debezium", "timestamp_format": "us", "fields": {"amount": "payload.after.amt"}},
            {"preset": "cloudevents", "fields": {"transaction_id": "id"}},
            {"timestamp_format": "auto", "timestamp_zone": "Europe/London", "amount_unit": "minor"},
            {"timestamp_format": "%Y-%m-%dT%H:%M:%SZ", "fields": {"amount": "Debit", "user_id": "legs.0.user_id"}},
            {"fields": {"timestamp": ["Date", "Time"], "amount": {"field": "amt", "sign": "DC", "credit": "C"}}},
            {"timestamp_format": "ns", "fields": {"location.country": "location", "amount": "extra.amount"}},
            {"set": {"currency": "usd", "user_id": 5}, "label": {"field": "is_fraud", "kind": "kind"}},
        )
    ),
]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(records, max_size=4), st.sampled_from(MAPPINGS))
def test_every_record_is_stored_dead_or_skipped(sent: list[Sent], mapping: Mapping | None) -> None:
    found = decode(sent, mapping, NOW)
    assert len(found.transactions) + len(found.dead) + found.skipped.total() == len(sent)
    for dead in found.dead:
        assert not dead.reason.startswith(UNEXPECTED)
        assert "\0" not in dead.reason
    for record in found.transactions:
        assert record.transaction.timestamp.tzinfo is UTC
        assert record.transaction.amount.is_finite()
        json.dumps(record.transaction.extra)


def test_hostile_records_in_their_thousands_are_stored_dead_or_skipped() -> None:
    dice = random.Random(EXAMPLES)
    left = 20 * EXAMPLES
    for batch in batched(islice(hostile(dice), left)):
        sent = [Sent(each.value, each.headers) for each in batch]
        found = decode(sent, dice.choice(MAPPINGS), NOW)
        assert len(found.transactions) + len(found.dead) + found.skipped.total() == len(sent)
        assert not any(dead.reason.startswith(UNEXPECTED) for dead in found.dead)


def batched(records: Iterator[Hostile], size: int = 200) -> Iterator[list[Hostile]]:
    while batch := [*islice(records, size)]:
        yield batch
