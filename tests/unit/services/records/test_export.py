"""Rows on their way out."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.transaction import Merchant
from services.commands.table import TRANSACTIONS, USERS, Listing, placed
from services.records.export import COLUMNS, ExportFile, Format, cell, json_line, money, readable
from tests.storing import verdict
from tests.tui.fake_port import row, rows


def changed(**fields: object):
    return msgspec.structs.replace(row(20), transaction=msgspec.structs.replace(row(20).transaction, **fields))


@given(st.text(), st.text())
def test_any_text_survives_as_one_cell_and_as_one_line_of_json(name: str, user: str) -> None:
    odd = changed(user_id=user, merchant=Merchant(name=name), extra={name: [user]})
    header, cells = csv.reader(io.StringIO(Format.CSV.head + Format.CSV.lines([odd]), newline=""))
    assert tuple(header) == COLUMNS
    assert dict(zip(header, cells, strict=True))["merchant_name"] == cell(name)
    (line,) = json_line(odd).removesuffix("\n").split("\n")
    assert json.loads(line)["amount"] == "9200.00"
    assert "\n" not in readable(odd)


@pytest.mark.parametrize(
    ("amount", "exactly"), [("1E+2", "100"), ("0.00012345", "0.00012345"), ("-12.30", "-12.30"), ("5", "5")]
)
def test_amounts_are_exact(amount: str, exactly: str) -> None:
    odd = changed(amount=Decimal(amount))
    assert json.loads(json_line(odd))["amount"] == exactly
    assert exactly in next(csv.reader(io.StringIO(Format.CSV.lines([odd]))))


def test_what_one_detector_alone_flagged_has_the_severity_it_is_listed_with() -> None:
    basic, enhanced = (verdict(name, flagged=name == "basic") for name in ("basic", "enhanced"))
    alone = msgspec.structs.replace(row(20), verdicts=(basic, enhanced))
    header, cells = csv.reader(io.StringIO(Format.CSV.head + Format.CSV.lines([alone])))
    told = dict(zip(header, cells, strict=True))
    assert (told["flagged"], told["enhanced_flagged"]) == ("true", "false")
    assert alone.headline is not None
    assert told["severity"] == alone.headline.severity.value == "unusual"


def test_amounts_for_people_are_grouped() -> None:
    assert money(changed(amount=Decimal("1234.5"))) == "1,234.50"
    assert money(changed(amount=Decimal("15800"), currency="JPY")) == "15,800"


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    file = ExportFile(path, Format.CSV)
    file.open()
    file.write(rows(3))
    file.discard()
    assert not path.exists()
    path.write_text("old")
    with pytest.raises(FileExistsError):
        ExportFile(path, Format.CSV).open()
    replacing = ExportFile(path, Format.CSV, replace=True)
    replacing.open()
    replacing.write(rows(3))
    assert path.read_text() == "old"
    replacing.finish()
    assert len(path.read_text().splitlines()) == 4
    assert list(tmp_path.iterdir()) == [path]


@given(st.integers(1, 300))
def test_a_listing_is_never_wider_than_asked(width: int) -> None:
    for columns in (TRANSACTIONS, USERS):
        wide = sum(cells + 1 for _, cells in placed(columns, width)) - 1
        assert 0 < wide <= width


def test_rows_that_come_later_stand_in_line() -> None:
    listing = Listing(TRANSACTIONS, 100)
    first, later = listing.lines(rows(2)), listing.lines([changed(user_id="a-very-long-user-of-another-kind")])
    assert first.splitlines()[0].index("EUR") == later.splitlines()[0].index("EUR")
    assert all(len(line) <= 100 for line in (listing.head + first + later).splitlines())
