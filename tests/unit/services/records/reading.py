"""Small files for the tests of reading, and what is read of them."""

from pathlib import Path

from domain.transaction import Transaction
from services.records.files import InvalidRow, Reading, RowFile, open_rows
from services.records.mapping import Mapping

HEADER = "transaction_id,user_id,amount,currency,timestamp,merchant_name"


def row(number: int, merchant: str = "Bakery", amount: str = "10.00") -> str:
    """A line of a CSV file under `HEADER`."""
    return f"t{number},u1,{amount},EUR,2026-11-26T08:00:{number % 60:02}Z,{merchant}"


def written(path: Path, *lines: str | bytes) -> Path:
    """A file of these lines."""
    path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
    return path


def read(path: Path, reading: Reading | None = None, mapping: Mapping | None = None) -> list[str]:
    """Each row in short: the id of a transaction, or place and reason of what is none."""
    with open_rows(path, mapping, reading) as rows:
        return described(rows)


def described(rows: RowFile) -> list[str]:
    """The same for an open file."""
    return [
        f"{row.place}: {row.reason}" if isinstance(row, InvalidRow) else row[0].transaction_id for row in iter(rows)
    ]


def transactions(path: Path, reading: Reading | None = None, mapping: Mapping | None = None) -> list[Transaction]:
    """The transactions, where all rows are."""
    with open_rows(path, mapping, reading) as rows:
        found = list(rows)
    assert not any(isinstance(each, InvalidRow) for each in found), found
    return [each[0] for each in found if not isinstance(each, InvalidRow)]
