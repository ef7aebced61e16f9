"""Every row counted once: taken, sent before, or left out."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

from services.records.files import open_rows
from services.records.intake import SHOWN, Intake
from services.records.mapping import Mapping
from tests.unit.services.records.reading import HEADER, row, written


def taken_in(path: Path, mapping: Mapping | None = None) -> tuple[Intake, list[str]]:
    with open_rows(path, mapping) as rows:
        intake = Intake(rows)
        return intake, [transaction.transaction_id for transaction, _ in intake]


def test_a_resend_is_counted_and_another_transaction_under_its_id_left_out(tmp_path: Path) -> None:
    lines = [row(1), row(1, amount="24.00"), row(2), row(2, amount="10.0"), row(2, "Kiosk"), "t3"]
    intake, ids = taken_in(written(tmp_path / "rows.csv", HEADER, *lines))
    assert ids == ["t1", "t2"]
    assert (intake.rows.read, intake.taken, intake.resends, intake.rows.left_out) == (6, 2, 2, 2)
    assert [(row.place, row.reason) for row in intake.rows.first] == [
        ("line 3", "transaction id 't1' was used before by another transaction"),
        ("line 7", "the row has 1 cell, the header 6"),
    ]
    assert intake.remarks == [
        "1 resend differs from the row before in other fields; the verdict of that row stands, "
        "first at line 6, transaction id 't2'."
    ]
    assert not intake.flawless


def test_one_id_for_all_rows_is_said(tmp_path: Path) -> None:
    mapping = Mapping().with_constants({"transaction_id": "t"})
    lines = [line.partition(",")[2] for line in (HEADER, row(1), row(2), row(3))]
    intake, ids = taken_in(written(tmp_path / "rows.csv", *lines), mapping)
    assert (ids, intake.rows.left_out) == (["t"], 2)
    assert intake.remarks == [
        "All rows have the same transaction id: map another column to transaction_id,"
        ' or number the rows with transaction_id = "#" in a mapping.'
    ]


def test_only_the_first_rows_left_out_are_kept(tmp_path: Path) -> None:
    intake, _ = taken_in(written(tmp_path / "rows.csv", HEADER, *["t"] * 50))
    assert (intake.rows.left_out, len(intake.rows.first)) == (50, SHOWN)


def test_changes_and_deletions_of_a_table_are_skipped_and_counted(tmp_path: Path) -> None:
    def change(op: str, number: int, amount: str) -> bytes:
        values = (f"t{number}", "u", amount, "EUR", "2026-11-26T08:00:01Z", "Kiosk")
        row = dict(zip(HEADER.split(","), values, strict=True))
        return json.dumps({"before": row, "after": None if op == "d" else row, "op": op}).encode()

    changes = [change("c", 1, "1.00"), change("u", 1, "2.00"), change("u", 2, "3.00"), change("d", 1, "2.00")]
    with open_rows(written(tmp_path / "rows.jsonl", *changes), Mapping.from_dict({"preset": "debezium"})) as rows:
        intake = Intake(rows)
        taken = [(transaction.transaction_id, transaction.amount) for transaction, _ in intake]
    assert taken == [("t1", Decimal("1.00")), ("t2", Decimal("3.00"))]
    assert (intake.rows.read, intake.taken, intake.resends, intake.rows.left_out) == (4, 2, 0, 0)
    assert intake.skipped == Counter(updated=1, deleted=1)
    assert intake.flawless
