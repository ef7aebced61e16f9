"""Records in the shapes that other systems have: times, amounts, currencies, nesting, envelopes."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from domain.transaction import Transaction
from services.records.amounts import SIGNED_TWICE, THREE_DECIMALS
from services.records.mapping import BadMapping, Mapping
from services.records.validation import InvalidRecord, Skipped
from services.records.wire import Reading, decode, read, read_row

PLAIN: dict[str, Any] = {
    "transaction_id": "t-1",
    "user_id": "u-1",
    "amount": "12.50",
    "currency": "EUR",
    "timestamp": "2026-11-26T08:00:00Z",
}
EIGHT = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


def sent(mapping: dict[str, Any] | None = None, **changes: Any) -> Transaction:
    record = {name: value for name, value in {**PLAIN, **changes}.items() if value is not ...}
    return decode(json.dumps(record).encode(), None if mapping is None else Mapping.from_dict(mapping))


def refusal(mapping: dict[str, Any] | None = None, **changes: Any) -> str:
    with pytest.raises(InvalidRecord) as invalid:
        sent(mapping, **changes)
    return invalid.value.reason


def row(record: dict[str, Any], **mapping: Any) -> Reading:
    return read_row(record, Mapping.from_dict(mapping))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-26T13:30:00+0530", EIGHT),
        ("2026-11-26T08:00:00.000+0000", EIGHT),
        ("2026-11-26T08:00:00+00", EIGHT),
        ("2026-11-26 08:00:00+00", EIGHT),
        ("2026-11-26 08:00:00 +0000", EIGHT),
        ("2026-11-26t08:00:00z", EIGHT),
        ("2026-11-26T08:00Z", EIGHT),
        ("2026-11-26T08Z", EIGHT),
        ("20261126T080000Z", EIGHT),
        ("2026-W48-4T08:00:00Z", EIGHT),
        ("2026-330T08:00:00Z", EIGHT),
        ("2026-11-26T08:00:00,5Z", EIGHT.replace(microsecond=500_000)),
        ("2026-11-26T08:00:00.123456789Z", EIGHT.replace(microsecond=123_456)),
        ("2026-11-26", EIGHT.replace(hour=0)),
        ("2026-11-26T24:00:00Z", datetime(2026, 11, 27, tzinfo=UTC)),
        ("2026-12-31T23:59:60Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T05:29:60+05:30", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_every_form_of_iso_8601_is_one_moment(text: str, at: datetime) -> None:
    assert sent(timestamp=text).timestamp == at


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2026-11-26T08:00:60Z", "timestamp '2026-11-26T08:00:60Z' has a second 60, which only 23:59 UTC can have"),
        ("2026-02-29T00:00:00Z", "timestamp '2026-02-29T00:00:00Z' is a time that does not exist"),
        ("2026-11-26T08:00:00+99:00", "timestamp '2026-11-26T08:00:00+99:00' is a time that does not exist"),
        (
            "26/11/2026 08:00",
            "timestamp is the text '26/11/2026 08:00', not an RFC 3339 timestamp; "
            "a mapping reads it with its pattern as timestamp_format",
        ),
        ("1795680000", "timestamp '1795680000' is a number; name its unit with timestamp_format in a mapping"),
        ([2026, 11, 26], "timestamp is the list [2026,11,26], not an RFC 3339 timestamp"),
        ({"$date": 1}, 'timestamp is the object {"$date":1}, not an RFC 3339 timestamp'),
        (True, "timestamp is true, not an RFC 3339 timestamp"),
        (None, "timestamp is null"),
    ],
)
def test_a_time_that_cannot_be_read_is_named_with_its_kind(value: Any, reason: str) -> None:
    assert refusal(timestamp=value) == reason


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("ns", 1795680000000000000),
        ("ns", "1795680000000000000"),
        ("auto", 1795680000000000000),
        ("us", 1795680000 * 10**6),
    ],
)
def test_epochs_reach_down_to_nanoseconds(form: str, value: Any) -> None:
    assert sent({"timestamp_format": form}, timestamp=value).timestamp == EIGHT


def test_a_huge_epoch_is_refused_at_once() -> None:
    payload = json.dumps(PLAIN | {"timestamp": 0}).encode().replace(b'"timestamp": 0', b'"timestamp": 1e999000')
    with pytest.raises(InvalidRecord, match="does not match timestamp_format 's'"):
        decode(payload, Mapping.from_dict({"timestamp_format": "s"}))


LONDON = {"timestamp_format": "%d/%m/%Y %H:%M", "timestamp_zone": "Europe/London"}


@pytest.mark.parametrize(
    ("text", "at", "remarks"),
    [
        ("03/04/2026 10:00", datetime(2026, 4, 3, 9, 0, tzinfo=UTC), ()),
        ("26/11/2026 10:00", datetime(2026, 11, 26, 10, 0, tzinfo=UTC), ()),
        ("25/10/2026 01:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), ("ambiguous local time",)),
    ],
)
def test_local_times_are_of_their_zone_and_the_first_of_two_is_taken(
    text: str, at: datetime, remarks: tuple[str, ...]
) -> None:
    reading = row(PLAIN | {"timestamp": text}, **LONDON)
    assert (reading.transaction.timestamp, reading.remarks) == (at, remarks)


def test_a_local_time_that_the_clocks_skipped_is_said() -> None:
    assert "does not exist in Europe/London" in refusal(LONDON, timestamp="29/03/2026 01:30")


@pytest.mark.parametrize(
    ("parts", "at"),
    [
        ({"Year": "2002", "Month": "9", "Day": "1", "Time": "06:21"}, datetime(2002, 9, 1, 6, 21, tzinfo=UTC)),
        ({"Year": 2002, "Month": 9, "Day": 1, "Time": 6}, datetime(2002, 9, 1, 6, 0, tzinfo=UTC)),
    ],
)
def test_a_date_in_several_columns_is_one_time(parts: dict[str, Any], at: datetime) -> None:
    mapping = {"fields": {"timestamp": ["Year", "Month", "Day", "Time"]}}
    reading = row({name: value for name, value in PLAIN.items() if name != "timestamp"} | parts, **mapping)
    assert reading.transaction.timestamp == at
    assert reading.transaction.extra is None


def test_a_part_of_a_date_that_is_not_there_is_named() -> None:
    reason = refusal({"fields": {"timestamp": ["Date", "Time"]}}, timestamp=..., Date="2026-11-26", Time="")
    assert reason == "timestamp lacks its part 'Time'"


def test_a_row_of_a_file_may_be_known_by_its_number() -> None:
    mapping = Mapping.from_dict({"fields": {"transaction_id": "#"}})
    record = {name: value for name, value in PLAIN.items() if name != "transaction_id"}
    assert read_row(record, mapping, 7).transaction.transaction_id == "7"
    assert mapping.lacking(list(record)) == []


@pytest.mark.parametrize(
    ("minor", "currency", "major"), [(1840, "eur", "18.40"), (500, "JPY", "500"), (12340, "kwd", "12.340")]
)
def test_minor_units_are_those_of_the_currency(minor: int, currency: str, major: str) -> None:
    mapping = {"amount_unit": "minor", "fields": {"amount": "data.object.amount"}}
    found = sent(mapping, amount=..., currency=currency, data={"object": {"amount": minor}})
    assert str(found.amount) == major
    assert sent(mapping).amount == Decimal("12.50")


def test_what_cannot_be_minor_units_is_said() -> None:
    assert "not a whole number of minor units" in refusal({"amount_unit": "minor"}, amount="18.40")
    assert "which XAU does not have" in refusal({"amount_unit": "minor"}, amount=1, currency="XAU")


def test_money_back_is_negative_from_two_columns_or_a_sign() -> None:
    of_two = {"fields": {"amount": "Debit"}}
    assert sent(of_two, amount=..., Debit="12.50", Credit="").amount == Decimal("12.50")
    assert sent(of_two, amount=..., Debit="", Credit="2500.00").amount == Decimal("-2500.00")
    named = {"fields": {"amount": {"debit": "Out", "credit": "In"}}}
    assert sent(named, amount=..., Out="0.00", In="3").amount == Decimal(-3)
    assert refusal(of_two, amount=..., Credit="1e999999999") == "amount is beyond 10^15"
    assert refusal({"timestamp_format": "s"}, timestamp="1e999999999").startswith("timestamp")
    assert refusal(named, amount=..., Out="1", In="3") == "amount is in both Out and In"
    signed = {"fields": {"amount": {"field": "Sum", "sign": "DC", "credit": ["C", "CR"]}}}
    assert sent(signed, amount=..., Sum="7", DC="cr").amount == Decimal(-7)
    assert sent(signed, amount=..., Sum="7", DC="D").amount == Decimal(7)


@pytest.mark.parametrize(
    ("amounts", "amount"),
    [({"Out": "-3"}, -3), ({"In": "-3"}, 3), ({"Sum": "-3", "DC": "D"}, -3)],
    ids=["debit", "credit", "debit by its sign"],
)
def test_a_minus_where_none_is_wanted_is_a_remark(amounts: dict[str, str], amount: int) -> None:
    fields: dict[str, Any] = {"debit": "Out", "credit": "In"}
    if "Sum" in amounts:
        fields = {"field": "Sum", "sign": "DC", "credit": ["C"]}
    found = row({**PLAIN, "amount": "", **amounts}, fields={"amount": fields})
    assert (found.transaction.amount, found.remarks) == (amount, (SIGNED_TWICE,))
    plain = row({**PLAIN, "amount": "", "Out": "3", "Sum": "-3", "DC": "C"}, fields={"amount": fields})
    assert plain.remarks == ()
    assert row({**PLAIN}, fields={"amount": fields}).remarks == ()


@pytest.mark.parametrize(
    ("amount", "currency", "remarks"),
    [
        ("1.234", "EUR", (THREE_DECIMALS,)),
        ("-12.500", "JPY", (THREE_DECIMALS,)),
        ("1.234", "KWD", ()),
        ("1234.500", "EUR", ()),
        ("1.23", "EUR", ()),
        (1.234, "EUR", ()),
    ],
)
def test_what_may_be_a_point_between_thousands_is_a_remark(amount: Any, currency: str, remarks: Any) -> None:
    assert row({**PLAIN, "amount": amount, "currency": currency}).remarks == remarks
    assert row({**PLAIN, "amount": "1.234"}, decimal=",", thousands=".").transaction.amount == Decimal(1234)
    assert row({**PLAIN, "amount": "1.234"}, decimal=",", thousands=".").remarks == ()


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("\u20ac12.50", "USD"), ("12.50 \u00a3", "EUR"), ("$5", "GBP"), ("-\u20b95", "CHF"), ("\u00a55", "EUR")],
)
def test_a_sign_of_another_currency_is_refused(amount: str, currency: str) -> None:
    assert refusal(amount=amount, currency=currency).endswith(f"has the sign of another currency than {currency}")
    assert "another currency" in refusal({"fields": {"amount": "Debit"}}, Credit=amount, currency=currency)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("\u20ac5", "EUR"),
        ("$5", "ARS"),
        ("$5", "CAD"),
        ("\u00a35", "EGP"),
        ("\u00a55", "CNY"),
        ("5\u00a0\u20ba", "TRY"),
    ],
)
def test_a_sign_that_several_currencies_share_is_taken_for_each(amount: str, currency: str) -> None:
    assert sent(amount=amount, currency=currency).amount == 5


@pytest.mark.parametrize("value", ["978", 978, "eur", " EUR ", "EUR"])
def test_a_currency_is_its_letters_in_any_case_or_its_number(value: Any) -> None:
    assert sent(currency=value).currency == "EUR"
    assert row(PLAIN | {"currency": value}).transaction.currency == "EUR"


def test_numbers_of_currencies_may_have_lost_their_zero() -> None:
    assert sent(currency=36).currency == "AUD"


def test_gold_is_a_currency_of_iso_4217_and_no_currency_is_not() -> None:
    assert sent(currency="XAU").currency == "XAU"
    assert refusal(currency="XXX") == "currency XXX is the ISO 4217 code for transactions that involve no currency"
    assert refusal(currency="EURO") == "currency 'EURO' is not an ISO 4217 code"
    assert refusal(currency=["EUR"]) == 'currency is the list ["EUR"], not a text'


def test_a_withdrawn_currency_is_of_its_time() -> None:
    assert sent(currency="HRK", timestamp="2022-12-31T23:59:59Z").currency == "HRK"
    assert refusal(currency="HRK") == "currency HRK was withdrawn on 2023-01-01, before this transaction"


def test_paths_go_into_lists_and_leave_the_other_items() -> None:
    legs = [{"amount": -12.5, "account": "a1", "memo": "x"}, {"amount": 12.5}]
    found = sent(
        {"fields": {"amount": "legs.0.amount", "user_id": "legs.0.account"}}, amount=..., user_id=..., legs=legs
    )
    assert (found.amount, found.user_id) == (Decimal("-12.5"), "a1")
    assert found.extra == {"legs": [{"memo": "x"}, {"amount": 12.5}]}


def test_a_path_leads_through_a_text_that_holds_json() -> None:
    found = sent({"fields": {"amount": "payload.amt"}}, amount=..., payload='{"amt": "7.00", "x": 1}')
    assert found.amount == Decimal("7.00")
    assert found.extra == {"payload": {"x": 1}}


def test_a_text_that_holds_the_record_is_the_record() -> None:
    assert decode(json.dumps(json.dumps(PLAIN)).encode()) == sent()


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "c": "\\":", "b": 2}}',
        json.dumps(PLAIN).encode().replace(b'"12.50"', b'"12.50", "amount" : "999.00"'),
        json.dumps(PLAIN, separators=(",", ":")).encode().replace(b'"12.50"', b'"12.50","amount":"999.00"'),
    ],
)
def test_a_key_that_is_there_twice_is_said(payload: bytes) -> None:
    with pytest.raises(InvalidRecord, match=r"the key '(a|b|amount)' is there twice"):
        decode(payload)


@pytest.mark.parametrize("text", ['":', '":"', '": ":', 'a":b'])
def test_texts_that_look_like_keys_are_none(text: str) -> None:
    assert sent(note=text).extra == {"note": text}


CHANGE = {"id": 90071992547409931, "cust": 42, "amt": "12.50", "ccy": "EUR", "at": 1795680000000000}
DEBEZIUM = {
    "preset": "debezium",
    "timestamp_format": "us",
    "fields": {"transaction_id": "id", "user_id": "cust", "amount": "amt", "currency": "ccy", "timestamp": "at"},
}


def change(op: str, after: Any, schema: Any = ..., **more: Any) -> dict[str, Any]:
    payload = {"before": None, "after": after, "op": op, **more}
    return payload if schema is ... else {"schema": schema, "payload": payload}


@pytest.mark.parametrize("prefix", ["", "after.", "payload.after."])
@pytest.mark.parametrize("schema", [..., {"type": "struct"}, None])
def test_a_row_is_taken_out_of_a_debezium_envelope(schema: Any, prefix: str) -> None:
    fields = {ours: f"{prefix}{theirs}" for ours, theirs in DEBEZIUM["fields"].items()}
    reading = row(change("c", CHANGE, schema), **DEBEZIUM | {"fields": fields})
    assert reading == Reading(
        Transaction(
            transaction_id="90071992547409931", user_id="42", amount=Decimal("12.50"), currency="EUR", timestamp=EIGHT
        )
    )


def test_an_update_is_marked_and_deletions_are_skipped() -> None:
    assert row(change("u", CHANGE), **DEBEZIUM).updated
    for record, kind in (
        (change("d", None), "deleted"),
        (change("t", None), "truncated"),
        (CHANGE | {"__op": "d"}, "deleted"),
        (CHANGE | {"__deleted": "true"}, "deleted"),
        ({"schema": None, "payload": None}, "tombstone"),
    ):
        with pytest.raises(Skipped) as skipped:
            row(record, **DEBEZIUM)
        assert skipped.value.kind == kind


def test_binary_decimals_have_the_scale_of_their_schema_or_their_own() -> None:
    field = {"field": "amt", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "2"}}
    at = {"field": "at", "name": "io.debezium.time.MicroTimestamp"}
    schema = {"fields": [{"field": "after", "fields": [field, at]}]}
    plain = {name: value for name, value in DEBEZIUM.items() if name != "timestamp_format"}
    found = row(change("c", CHANGE | {"amt": "BAg="}, schema), **plain).transaction
    assert (found.amount, found.timestamp) == (Decimal("10.32"), EIGHT)
    variable = row(change("c", CHANGE | {"amt": {"scale": 2, "value": "BOI="}}), **DEBEZIUM).transaction
    assert variable.amount == Decimal("12.50")
    assert row(change("c", CHANGE | {"amt": {"scale": 1, "value": "/w=="}}), **DEBEZIUM).transaction.amount == Decimal(
        "-0.1"
    )
    with pytest.raises(InvalidRecord, match="the record does not say its scale"):
        row(change("c", CHANGE | {"amt": "BAg="}), **DEBEZIUM)


EVENT = {"specversion": "1.0", "id": "e-1", "source": "/cards", "type": "card.charged", "time": PLAIN["timestamp"]}
DATA = {name: value for name, value in PLAIN.items() if name not in ("transaction_id", "timestamp")}
CLOUDEVENTS = {"preset": "cloudevents", "fields": {"transaction_id": "id", "timestamp": "time"}}


@pytest.mark.parametrize(
    "data",
    [
        {"data": DATA},
        {"data": json.dumps(DATA)},
        {"data_base64": base64.b64encode(json.dumps(DATA).encode()).decode(), "datacontenttype": "application/json"},
    ],
)
def test_a_cloudevent_is_read_in_structured_mode(data: dict[str, Any]) -> None:
    found = row(EVENT | data, **CLOUDEVENTS).transaction
    assert found == sent(transaction_id="e-1")


def test_a_cloudevent_is_read_in_binary_mode() -> None:
    headers = {f"ce_{name}": value.encode() for name, value in EVENT.items()} | {"content-type": b"application/json"}
    found = read(json.dumps(DATA).encode(), Mapping.from_dict(CLOUDEVENTS), headers).transaction
    assert found == sent(transaction_id="e-1")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({}, "the event has no data"),
        ({"data": [1]}, "data is the list [1], not an object"),
        ({"data_base64": "%"}, "data_base64 cannot be read: it is not base64"),
        ({"data_base64": "W10="}, "data_base64 cannot be read: the record is the list [], not a JSON object"),
        ({"datacontenttype": "text/xml"}, "the event's data is of the type 'text/xml'; only JSON is read"),
    ],
)
def test_an_event_without_a_transaction_says_why(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRecord) as invalid:
        row(EVENT | event, **CLOUDEVENTS)
    assert invalid.value.reason == reason


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timestamp_zone": "Europe/Atlantis"}, "timestamp_zone: 'Europe/Atlantis' is no time zone"),
        ({"amount_unit": "cents"}, "amount_unit: 'cents' is none of major, minor"),
        ({"preset": ["debezium"]}, 'preset: ["debezium"] is none of debezium, cloudevents'),
        ({"fields": {"timestamp": []}}, "fields.timestamp: the list is empty"),
        ({"fields": {"amount": {"debit": "D"}}}, "fields.amount: expected a name in quotes or {debit, credit}"),
    ],
)
def test_a_bad_key_of_a_mapping_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadMapping) as bad:
        Mapping.from_dict(settings)
    assert str(bad.value).startswith(message)
