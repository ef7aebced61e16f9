"""A mapping guessed from a sample reads that sample, and says what it could not tell."""

import tomllib
from typing import Any

from domain.transaction import Transaction
from services.records.guess import guess
from services.records.mapping import Mapping
from services.records.wire import read_row


def read_as_guessed(records: list[dict[str, Any]], preset: str | None = None) -> tuple[list[Transaction], str]:
    text = guess(records).toml(preset)
    mapping = Mapping.from_dict(tomllib.loads(text))
    return [read_row(record, mapping).transaction for record in records], text


def test_nested_fields_an_epoch_and_a_label_are_found() -> None:
    records = [
        {
            "id": n,
            "card": {"customer": 7},
            "legs": [{"amount": 1840 + n, "ccy": "eur"}],
            "created": 1795680000 + n,
            "is_fraud": 0,
        }
        for n in range(3)
    ]
    found, text = read_as_guessed(records)
    assert (found[1].transaction_id, found[1].user_id, found[1].amount, found[1].currency) == ("1", "7", 1841, "EUR")
    assert 'timestamp_format = "auto"' in text
    assert 'field = "is_fraud"' in text
    assert 'amount_unit = "minor"' in text


def test_a_pattern_without_a_zone_is_found_and_said() -> None:
    records = [
        {
            "Reference": "a",
            "Account": "x",
            "Amt": "1.50",
            "Currency": "GBP",
            "Date": "26/11/2026 10:00",
            "Shop": "Kiosk",
        }
    ]
    (found,), text = read_as_guessed(records)
    assert found.timestamp.isoformat() == "2026-11-26T10:00:00+00:00"
    assert found.merchant.name == "Kiosk"
    assert "timestamp_zone" in text


def test_what_cannot_be_told_is_said_in_comments() -> None:
    text = guess([{'x"\n': 1, "y": [1, 2]}]).toml("debezium")
    assert tomllib.loads(text) == {"preset": "debezium", "fields": {}, "set": {}}
    assert "# No field looks like transaction_id: name it in [fields]." in text
    assert "# No field holds a currency: name the one of all records in [set]." in text


def test_a_date_in_several_columns_is_joined_and_lines_can_be_ids() -> None:
    row = {
        "User": "0",
        "Year": "2002",
        "Month": "9",
        "Day": "1",
        "Time": "06:21",
        "Amount": "$134.09",
        "Is Fraud?": "No",
    }
    found = guess([row])
    assert found.spread == {"timestamp": ("Year", "Month", "Day", "Time")}
    assert found.label == "Is Fraud?"
    assert 'timestamp = ["Year", "Month", "Day", "Time"]' in found.toml(None)
    assert any('transaction_id = "#"' in note for note in found.notes)


def test_a_written_date_is_the_time_rather_than_a_card_number_that_reads_as_an_epoch() -> None:
    found = guess([{"Kartennummer": "2703186189652095", "Betrag": "12,19", "Datum": "21.06.2020 12:15:53"}])
    assert found.fields["timestamp"] == "Datum"
    assert found.timestamp_format == "%d.%m.%Y %H:%M:%S"


def test_labels_that_could_mean_either_are_named() -> None:
    plain = {"id": "t-1", "user": "u-1", "amount": 1, "currency": "EUR", "time": "2026-01-01T00:00:00Z"}
    found = guess([{**plain, "Is_Fraud": label} for label in ("Y", "N")])
    assert (found.label, found.labels) == ("Is_Fraud", [])
    assert '# ... = "Is_Fraud"' not in found.toml(None)
    unusual = guess([{**plain, "Is_Fraud": label} for label in ("S1", "N", "S2", "S1")])
    assert '# anomalous = ["S1", "S2"]' in unusual.toml(None)
    assert any("Name the labels that mean an anomaly" in note for note in unusual.notes)
