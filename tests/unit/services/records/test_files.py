"""Files: the same transactions whatever the format, and a bad row harms no other."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from domain.transaction import GroundTruth, Location, Transaction
from services.records import wire
from services.records.files import InvalidRow, UnreadableFile, open_rows
from services.records.mapping import Mapping
from simulator import Simulator

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HEADER = "transaction_id,user_id,amount,currency,timestamp,merchant_id,latitude,note\n"
ROWS: list[dict[str, Any]] = [
    {
        "transaction_id": number,
        "user_id": 40 + number,
        "amount": 10.1 + number,
        "currency": "EUR",
        "timestamp": NOON + timedelta(seconds=number),
        "merchant_id": 7,
        "latitude": 41.82,
        "label": number % 2,
        "note": "a, b",
    }
    for number in range(1, 6)
]


def write_csv(path: Path) -> None:
    lines = [",".join(f'"{value}"' for value in row.values()) for row in ROWS]
    path.write_text("\ufeff" + ",".join(ROWS[0]) + "\r\n" + "\r\n".join(lines) + "\r\n")


def write_jsonl(path: Path) -> None:
    path.write_text("\n\n".join(json.dumps({**row, "timestamp": row["timestamp"].isoformat()}) for row in ROWS))


def write_gzip(path: Path) -> None:
    write_jsonl(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def write_parquet(path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    table = table.set_column(6, "latitude", table["latitude"].cast(pa.float32()))
    table = table.set_column(4, "timestamp", table["timestamp"].cast(pa.timestamp("ns")))
    table = table.set_column(8, "note", table["note"].dictionary_encode())
    pa.parquet.write_table(table, path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("rows.csv", write_csv),
        ("rows.jsonl", write_jsonl),
        ("rows.json", write_jsonl),
        ("rows.jsonl.gz", write_gzip),
        ("rows.parquet", write_parquet),
    ],
)
def test_every_format_gives_the_same_transactions(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    mapping = Mapping.from_dict({"label": {"field": "label"}})
    with open_rows(tmp_path / name, mapping) as rows:
        read = list(rows)
        assert rows.position == rows.size
    assert len(read) == len(ROWS)
    for row, expected in zip(read, ROWS, strict=True):
        assert not isinstance(row, InvalidRow)
        transaction, truth = row
        assert transaction.transaction_id == str(expected["transaction_id"])
        assert transaction.amount == Decimal(repr(expected["amount"]))
        assert transaction.timestamp == expected["timestamp"]
        assert transaction.merchant.id == "7"
        assert transaction.location == Location(latitude=41.82)
        assert transaction.extra == {"note": "a, b"}
        assert truth == GroundTruth(anomalous=bool(expected["label"]))


def test_wire_records_in_a_file_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    sent = [transaction for transaction, _ in islice(Simulator(5, start=NOON).stream(), 200)]
    path.write_bytes(b"\n".join(wire.encode(transaction) for transaction in sent))
    with open_rows(path) as rows:
        assert [row[0] for row in rows if not isinstance(row, InvalidRow)] == sent


def test_parquet_knows_its_rows_and_counts_them(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows.parquet")
    with open_rows(tmp_path / "rows.parquet") as rows:
        assert rows.size == len(ROWS)
        next(iter(rows))
        assert rows.position == 1


def test_a_bad_csv_row_is_named_and_the_rest_unharmed(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    good = b"t-%d,u-1,5.00,EUR,2026-03-04T12:00:00Z,m,,\n"
    bad = [
        (b"t,u,five,EUR,2026-03-04T12:00:00Z,m,,\n", "amount is the text 'five', not a decimal number such as 1234.56"),
        (b"t,u,5\n", "the row has 3 cells, the header 8"),
        (b"t,u,5,EUR,2026-03-04T12:00:00Z,m,95,\n", "location.latitude 95.0 is outside -90..90 degrees"),
        (
            b"t,u,5,EUR,2026-03-04T12:00:00Z,m,north,\n",
            "location.latitude is the text 'north', not a number of degrees",
        ),
        (
            b"t,u,5,EUR,2026-03-04T12:00:00Z,m,,\xff\n",
            "byte 0xFF is not UTF-8; try --encoding windows-1252",
        ),
        (b"t,u,5,EUR,2026-03-04T12:00:00Z,m,,a\0b\n", "'note' contains the character U+0000 (NUL)"),
        (b"t,u,5,EUR,2026-03-04T12:00:00Z,m,," + b"x" * 200_000 + b"\n", "a cell is longer than 131,072 characters"),
        (b",u,5,EUR,2026-03-04T12:00:00Z,m,,\n", "transaction_id is empty"),
    ]
    content = HEADER.encode()
    for number, (line, _) in enumerate(bad):
        content += good % number + line
    path.write_bytes(content + good % 99)
    with open_rows(path) as rows:
        read = list(rows)
    assert [not isinstance(row, InvalidRow) for row in read] == [True, False] * len(bad) + [True]
    for number, (_, reason) in enumerate(bad):
        row = read[2 * number + 1]
        assert isinstance(row, InvalidRow)
        assert row.reason.startswith(reason)
        assert row.place == f"line {2 * number + 3}"


def test_a_bad_line_keeps_its_raw_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = Transaction(transaction_id="t", user_id="u", amount=Decimal(1), currency="EUR", timestamp=NOON)
    lines = [b'{"transaction_id": ', b"[1]", b'{"a": "' + b"x" * 9_000_000 + b'"}', wire.encode(good)]
    path.write_bytes(b"\n".join(lines))
    with open_rows(path) as rows:
        first, second, third, last = rows
    assert isinstance(first, InvalidRow)
    assert isinstance(second, InvalidRow)
    assert isinstance(third, InvalidRow)
    assert (first.place, first.reason, first.raw.strip()) == (
        "line 1",
        "the JSON is malformed: it ends too early",
        lines[0].strip(),
    )
    assert second.reason == "the record is the list [1], not a JSON object"
    assert third.reason == "the line is longer than 8,388,608 bytes"
    assert len(third.raw) == 65_536
    assert last == (good, None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no such file or directory"),
        ("rows.xlsx", b"PK\x03\x04", "it is an Excel workbook or a ZIP archive; save it as CSV, or unpack it first"),
        ("rows.csv", b"", "the file is empty"),
        ("rows.csv", b"\n\n", "the file is empty; its first line must name the columns"),
        ("rows", b"", "the file is empty"),
        ("rows.jsonl", b" \n", "the file is empty"),
        ("rows.parquet", b"not parquet at all", "not a Parquet file"),
        ("rows.csv.gz", b"not gzip", "not a gzip file (b'no')"),
        (
            "rows.csv",
            b"transaction_id,user_id,amt,timestamp\n",
            "no column for amount, currency; name it in a mapping (`anomaly-tui mapping guess` writes one)",
        ),
        (
            "rows.csv",
            b"nr,user_id,amount,currency,timestamp\n",
            "no column for transaction_id; name it in a mapping (`anomaly-tui mapping guess` writes one), "
            'or number the rows there with transaction_id = "#"',
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableFile) as unreadable:
        open_rows(path)
    assert str(unreadable.value).startswith(f"{path}: {message}")
    assert "\n" not in str(unreadable.value)


def test_a_truncated_archive_gives_what_it_holds_and_then_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    lines = "".join(f"t-{number},u,5,EUR,2026-03-04T12:00:00Z,m,,{number**7}\n" for number in range(20_000))
    path.write_bytes(gzip.compress((HEADER + lines).encode())[:-2000])
    read = 0
    with open_rows(path) as rows, pytest.raises(UnreadableFile, match="damaged"):  # noqa: PT012
        for _ in rows:
            read += 1
    assert read > 1000


def test_a_constant_stands_in_for_a_missing_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("transaction_id,user_id,amount,timestamp\n1,2,3.50,2026-03-04 12:00:00\n")
    with open_rows(path, Mapping().with_constants({"currency": "USD"})) as rows:
        (row,) = rows
    assert row == (
        Transaction(transaction_id="1", user_id="2", amount=Decimal("3.50"), currency="USD", timestamp=NOON),
        None,
    )
