"""Mappings: foreign names, shapes and types become ours, and a mapping that cannot work says so at once."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.transaction import Device, GroundTruth, Location, Merchant, Transaction
from services.records.labels import UNKNOWN_LABEL
from services.records.mapping import BadMapping, Mapping
from services.records.validation import InvalidRecord
from services.records.wire import decode, encode, read_row

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
PLAIN: dict[str, Any] = {
    "transaction_id": "t-1",
    "user_id": "u-1",
    "amount": "12.50",
    "currency": "EUR",
    "timestamp": "2026-03-04T12:00:00Z",
}


def read_foreign(record: dict[str, Any], mapping: Mapping) -> tuple[Transaction, GroundTruth | None]:
    reading = read_row(record, mapping)
    return reading.transaction, reading.truth


def read(record: dict[str, Any], **settings: Any) -> Transaction:
    return read_foreign({**PLAIN, **record}, Mapping.from_dict(settings))[0]


def truth(record: dict[str, Any], **label: Any) -> GroundTruth | None:
    return read_foreign({**PLAIN, **record}, Mapping.from_dict({"label": label}))[1]


def test_flat_names_need_no_mapping() -> None:
    transaction = read(
        {
            "country": "DE",
            "latitude": "52.5",
            "longitude": 13,
            "merchant_id": 8121,
            "merchant_category": "fuel",
            "device_id": "d-1",
            "ip": "192.0.2.1",
        }
    )
    assert transaction.location == Location("DE", None, 52.5, 13.0)
    assert transaction.merchant == Merchant("8121", None, "fuel")
    assert transaction.device == Device("d-1", None, "192.0.2.1")


@pytest.mark.parametrize(("text", "degrees"), [("47,3", 47.3), ("-0,125", -0.125), ("8.5", 8.5)])
def test_degrees_have_a_point_or_a_comma(text: str, degrees: float) -> None:
    assert read({"latitude": text}).location == Location(latitude=degrees)


def test_degrees_have_one_of_them() -> None:
    for text in ("1.234,5", "1,234,5", ","):
        with pytest.raises(InvalidRecord, match="not a number of degrees"):
            read({"latitude": text})


def test_integer_ids_become_text() -> None:
    transaction = read({"transaction_id": 680886, "user_id": 3711.0})
    assert (transaction.transaction_id, transaction.user_id) == ("680886", "3711")


def test_an_amount_from_a_double_is_the_shortest_decimal() -> None:
    assert read({"amount": 75.81}).amount == Decimal("75.81")
    assert read({"amount": 10.1 * 3}).amount == Decimal("30.3")
    assert read({"amount": 1e15}).amount == Decimal(10**15)


def test_empty_text_and_nan_are_missing_fields() -> None:
    transaction = read({"payment_method": "", "latitude": float("nan"), "longitude": None, "score": float("nan")})
    assert transaction.payment_method is None
    assert transaction.location == Location()
    assert transaction.extra == {"score": None}
    with pytest.raises(InvalidRecord, match="amount is empty"):
        read({"amount": ""})


def test_names_and_nesting_are_mapped_and_the_rest_is_kept() -> None:
    record = {"payload": {"amt": "9.99", "shop": {"no": 5, "mcc": 5411}}, "amount": "original", "a.b": "literal dot"}
    source = {**record}
    transaction = read(record, fields={"amount": "payload.amt", "merchant_id": "payload.shop.no", "city": "a.b"})
    assert transaction.amount == Decimal("9.99")
    assert transaction.merchant.id == "5"
    assert transaction.location.city == "literal dot"
    assert transaction.extra == {"payload": {"shop": {"mcc": 5411}}, "amount": "original"}
    assert record == source


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("s", 1772625600),
        ("s", "1772625600"),
        ("s", 1772625600.0),
        ("ms", 1772625600000),
        ("ms", Decimal("1772625600000.0")),
        ("us", 1772625600000000),
        ("auto", 1772625600),
        ("auto", 1772625600000),
        ("auto", "1772625600000000"),
        ("auto", "2026-03-04T12:00:00Z"),
        ("rfc3339", "2026-03-04 12:00:00"),
        ("rfc3339", datetime(2026, 3, 4, 12, 0)),
        ("%d.%m.%Y %H:%M", "04.03.2026 12:00"),
        ("ms", NOON),
    ],
)
def test_timestamps_are_read_as_the_mapping_says(form: str, value: Any) -> None:
    timestamp = read({"timestamp": value}, timestamp_format=form).timestamp
    assert timestamp == NOON
    assert timestamp.tzinfo is UTC


@pytest.mark.parametrize(
    ("form", "value", "reason"),
    [
        ("rfc3339", 1772625600, "timestamp 1772625600 is a number; name its unit with timestamp_format in a mapping"),
        ("s", 10**30, "timestamp 10{30} does not match timestamp_format 's'"),
        ("%d.%m.%Y", "4/3/2026", "timestamp '4/3/2026' does not match timestamp_format '%d.%m.%Y'"),
        ("auto", "soon", "timestamp is the text 'soon', not a time of timestamp_format 'auto'"),
        ("s", "noon", "timestamp is the text 'noon', not a time of timestamp_format 's'"),
    ],
)
def test_a_timestamp_of_another_form_is_invalid(form: str, value: Any, reason: str) -> None:
    with pytest.raises(InvalidRecord, match=reason):
        read({"timestamp": value}, timestamp_format=form)


def test_a_constant_fills_what_a_record_lacks_and_nothing_else() -> None:
    mapping = Mapping().with_constants({"currency": "usd", "country": "US"})
    lacking = {name: value for name, value in PLAIN.items() if name != "currency"}
    assert read_foreign(lacking, mapping)[0].currency == "USD"
    assert read_foreign(PLAIN, mapping)[0].currency == "EUR"
    assert read_foreign(PLAIN, mapping)[0].location.country == "US"


def test_constants_add_to_a_mapping_without_changing_it() -> None:
    mapping = Mapping.from_dict({"fields": {"amount": "amt"}, "set": {"country": "DE"}, "label": {"field": "y"}})
    more = mapping.with_constants({"currency": "EUR"})
    record = {"transaction_id": 1, "user_id": 2, "amt": 3, "timestamp": PLAIN["timestamp"], "y": 1}
    transaction, label = read_foreign(record, more)
    assert (transaction.amount, transaction.currency, transaction.location.country) == (Decimal(3), "EUR", "DE")
    assert label == GroundTruth(anomalous=True)
    with pytest.raises(InvalidRecord, match="currency is missing"):
        read_foreign(record, mapping)


@pytest.mark.parametrize("form", ["rfc3339", "ms", "auto", "%d.%m.%Y"])
def test_our_own_records_read_as_they_are_under_any_mapping(form: str) -> None:
    mapping = Mapping.from_dict(
        {
            "timestamp_format": form,
            "fields": {"amount": "amt", "user_id": "card.holder", "merchant_id": "shop"},
            "set": {"currency": "USD"},
            "label": {"field": "is_fraud"},
        }
    )
    ours = Transaction(
        transaction_id="t",
        user_id="u",
        amount=Decimal("1.50"),
        currency="EUR",
        timestamp=NOON,
        location=Location("DE", "Berlin", 52.52, 13.4),
        merchant=Merchant("m", "Shop", "fuel"),
        extra={"card": {"bin": "4111"}, "location.zip": "10115"},
    )
    assert decode(encode(ours), mapping) == ours


@pytest.mark.parametrize("value", [1, "1", 1.0, "1.0", " 1 ", True, "TRUE", Decimal(1), "Y", "yes", "Fraud"])
def test_the_usual_spellings_of_a_positive_label_count(value: Any) -> None:
    assert truth({"is_fraud": value, "kind": "spike"}, field="is_fraud", kind="kind") == GroundTruth(True, "spike")


@pytest.mark.parametrize("value", [0, "0.0", False, "false", "N", "no", "legit", "Normal"])
def test_the_usual_spellings_of_a_negative_label_count(value: Any) -> None:
    assert truth({"is_fraud": value, "kind": "spike"}, field="is_fraud", kind="kind") == GroundTruth(False)


@pytest.mark.parametrize("value", ["F", "2", -1, "maybe", "1e999999999", "NaN", "sNaN", "inf", [1]])
def test_a_label_that_is_none_of_the_usual_ones_says_nothing_and_is_remarked_on(value: Any) -> None:
    mapping = Mapping.from_dict({"label": {"field": "is_fraud"}})
    found = mapping.translate({**PLAIN, "is_fraud": value})
    assert found.truth is None
    assert found.remarks == (UNKNOWN_LABEL,)
    named = Mapping.from_dict({"label": {"field": "is_fraud", "anomalous": [str(value)]}})
    assert named.translate({**PLAIN, "is_fraud": value}).truth == GroundTruth(True)
    others = Mapping.from_dict({"label": {"field": "is_fraud", "anomalous": ["other"]}})
    assert others.translate({**PLAIN, "is_fraud": value}).truth == GroundTruth(False)


def test_labels_become_ground_truth_and_leave_the_record() -> None:
    mapping = Mapping.from_dict({"label": {"field": "meta.class", "anomalous": ["F", "S"], "kind": "scenario"}})
    transaction, label = read_foreign({**PLAIN, "meta": {"class": "F"}, "scenario": 3}, mapping)
    assert label == GroundTruth(anomalous=True, kind="3")
    assert transaction.extra is None
    assert read_foreign({**PLAIN, "meta": {"class": "N"}, "scenario": 0}, mapping)[1] == GroundTruth(anomalous=False)
    assert read_foreign(PLAIN, mapping)[1] is None


def test_a_label_without_a_mapping_is_an_unknown_field_like_any_other() -> None:
    transaction, label = read_foreign({**PLAIN, "label": 1}, Mapping())
    assert label is None
    assert transaction.extra == {"label": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"field": {}},
            "field: unknown key; expected one of fields, set, label, preset, timestamp_format, timestamp_zone",
        ),
        ({"fields": {"amuont": "x"}}, "fields.amuont: not a field of ours; they are transaction_id, "),
        (
            {"fields": {"amount": 5}},
            "fields.amount: expected a name in quotes or {debit, credit} or {field, sign, credit}, got 5",
        ),
        ({"fields": "amount"}, "fields: expected a table, got 'amount'"),
        ({"set": {"price": 1}}, "set.price: not a field of ours"),
        ({"label": {"anomalous": [1]}}, "label.field: missing"),
        ({"label": {"field": "y", "positive": 1}}, "label.positive: unknown key"),
        ({"timestamp_format": "minutes"}, "timestamp_format: 'minutes' is none of rfc3339, s, ms, us, ns, auto"),
    ],
)
def test_a_bad_mapping_names_the_key_on_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadMapping) as bad:
        Mapping.from_dict(settings)
    assert str(bad.value).startswith(message)
    assert "\n" not in str(bad.value)


def test_a_mapping_file_is_toml(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(
        'timestamp_format = "s"\n[fields]\nuser_id = "cc_num"\nmerchant.id = "shop"\n[set]\ncurrency = "USD"\n'
    )
    record = {"transaction_id": "t", "cc_num": 4, "shop": "m", "amount": 1, "timestamp": 1772625600}
    transaction, _ = read_foreign(record, Mapping.load(path))
    assert (transaction.user_id, transaction.merchant.id, transaction.timestamp) == ("4", "m", NOON)


def test_an_unusable_mapping_file_is_named(tmp_path: Path) -> None:
    missing, broken, wrong = tmp_path / "none.toml", tmp_path / "broken.toml", tmp_path / "wrong.toml"
    broken.write_text("[fields")
    wrong.write_text("colour = 1")
    for path, words in ((missing, "No such file"), (broken, "Expected"), (wrong, "colour: unknown key")):
        with pytest.raises(BadMapping, match=words) as bad:
            Mapping.load(path)
        assert str(bad.value).startswith(f"{path}: ")
