"""CSV and its kin: every line is a row, a part of one, or left out by its number."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.records.delimited import DELIMITERS, DelimitedFile
from services.records.files import Reading, UnreadableFile, open_rows
from services.records.mapping import Mapping
from services.records.numerals import Numerals
from services.records.source import Source
from services.records.validation import InvalidRecord
from tests.unit.services.records.reading import HEADER, described, read, row, transactions, written

NOT_CLOSED = "the quote that opens in 'merchant_name' is not closed before the next row begins"


def test_a_quote_that_closes_in_a_later_row_costs_its_own_line_only(tmp_path: Path) -> None:
    path = written(
        tmp_path / "rows.csv", HEADER, row(1, '"Corner shop'), row(2), row(3, amount="9000.00"), row(4, '"Other shop"')
    )
    assert read(path) == [f"line 2: {NOT_CLOSED}", "t2", "t3", "t4"]


def test_a_quote_that_is_never_closed_costs_its_own_line_only(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", HEADER, row(1), row(2, '"Corner shop'), *map(row, range(3, 2_500)))
    assert read(path) == ["t1", f"line 3: {NOT_CLOSED}", *(f"t{number}" for number in range(3, 2_500))]


def test_rows_between_a_lost_quote_and_a_stray_one_are_not_taken_for_text(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", HEADER, row(1, '"Corner shop'), row(2), row(3, 'Other shop"'))
    assert read(path) == [f"line 2: {NOT_CLOSED}", "t2", "t3"]


def test_a_cell_of_several_lines_is_read_and_said(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", HEADER, row(1, '"Corner, shop\nHigh Street'), 'and more"', row(2))
    with open_rows(path) as rows:
        assert described(rows) == ["t1", "t2"]
        assert rows.closing_remarks == ["One row goes over several lines: lines 2 to 4."]


def test_text_after_a_closing_quote_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", HEADER, row(1, '"Corner" shop'), row(2, '5" pipes'))
    assert read(path) == ["line 2: text follows a closing quote; a quote within a cell is written twice", "t2"]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", f"{HEADER}, amount ", row(1) + ",999.00")
    with pytest.raises(UnreadableFile, match="two columns are named 'amount'; rename one of them"):
        open_rows(path)


def test_columns_without_a_name_are_kept_by_their_number(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", f"{HEADER},,", row(1) + ",a,b", ",,,,,,,", "")
    assert [each.extra for each in transactions(path)] == [{"column 7": "a", "column 8": "b"}]


def test_a_header_as_a_spreadsheet_writes_it_is_read(tmp_path: Path) -> None:
    header = '"transaction_id" ," user_id", amount ,"currency","timestamp","Note\r\n(free text)"'
    path = tmp_path / "rows.csv"
    path.write_bytes(f'\ufeff{header}\r\nt1,u1,10.00,EUR,2026-11-26T08:00:00Z,""\r\n'.encode())
    with pytest.raises(UnreadableFile, match="no column for"):
        open_rows(path)
    path.write_bytes(path.read_bytes().replace(b'" ,"', b'","'))
    assert transactions(path)[0].extra == {"Note\r\n(free text)": ""}


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_delimiter_is_found_and_said(tmp_path: Path, sign: str, name: str) -> None:
    lines = [line.replace(",", sign) for line in (HEADER, row(1), row(2))]
    path = written(tmp_path / "rows.csv", *lines)
    with open_rows(path) as rows:
        assert rows.remarks == [f"Cells are separated by {name}."]
        assert described(rows) == ["t1", "t2"]
    assert read(path, Reading(delimiter=sign)) == ["t1", "t2"]


def test_a_decimal_comma_is_named_where_it_is_refused_and_read_where_it_is_named(tmp_path: Path) -> None:
    path = written(
        tmp_path / "rows.csv",
        "transaction_id;user_id;amount;currency;timestamp",
        "t1;u1;12,50;EUR;2026-11-26T08:00:00Z",
        "t2;u1;1.234,56;EUR;2026-11-26T08:01:00Z",
    )
    assert read(path) == [
        "line 2: amount is the text '12,50', not a decimal number such as 1234.56; try --decimal ,",
        "line 3: amount is the text '1.234,56', not a decimal number such as 1234.56; try --decimal , --thousands .",
    ]
    found = transactions(path, mapping=Mapping().with_numerals(Numerals(",", ".")))
    assert [each.amount for each in found] == [Decimal("12.50"), Decimal("1234.56")]


def test_lines_before_the_header_are_skipped_by_number_or_found(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", '"Account:","XX00 1234"', "sep=,", "", HEADER, row(1), '"Total","","10.00"')
    with open_rows(path) as rows:
        assert rows.remarks == ["Line 4 names the columns; what stands before it is left aside."]
        assert described(rows) == ["t1", "line 6: the row has 3 cells, the header 6"]
    with open_rows(path, reading=Reading(skip=2)) as rows:
        assert rows.remarks == []
        assert described(rows) == ["t1", "line 6: the row has 3 cells, the header 6"]
    with pytest.raises(UnreadableFile, match="no column for transaction_id"):
        open_rows(path, reading=Reading(skip=4))


def test_a_file_of_a_header_has_no_rows(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"rows\.csv: there are no rows in it"):
        read(written(tmp_path / "rows.csv", HEADER))


def test_rows_without_an_id_are_named_by_file_and_line(tmp_path: Path) -> None:
    mapping = Mapping.from_dict({"fields": {"transaction_id": "#"}})
    header, first = HEADER.removeprefix("transaction_id,"), row(1).removeprefix("t1,")
    january = written(tmp_path / "january.csv", header, first, "", first)
    assert read(january, mapping=mapping) == ["january#2", "january#4"]
    february = written(tmp_path / "february.csv", header, first)
    assert read(february, mapping=mapping) == ["february#2"]


def test_a_long_cell_and_a_long_line_harm_no_other_row(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", HEADER, row(1, "x" * 140_000), row(2), row(3, "," * 9_000_000), row(4))
    assert read(path) == [
        "line 2: a cell is longer than 131,072 characters",
        "t2",
        "line 4: the line is longer than 8,388,608 characters",
        "t4",
    ]


def test_too_many_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="it has 10,006 columns; at most 10,000 are read"):
        open_rows(written(tmp_path / "rows.csv", HEADER + ",x" * 10_000))


COLUMNS = ["transaction_id", "user_id", "amount", "currency", "timestamp", "note"]
CELLS = st.text(st.sampled_from("ab\"'\r\n,;|\t \u00e9\u2028\x1c\0"), max_size=12)
TABLES = st.lists(st.lists(CELLS, min_size=6, max_size=6).filter(lambda cells: any(map(str.strip, cells))), max_size=8)


def csv_bytes(rows: list[list[str]], delimiter: str, quoting: int) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows([COLUMNS, *rows])
    return text.getvalue().encode()


def pieces_of(path: Path) -> list[tuple[int, int, dict[str, object] | InvalidRecord]]:
    file = DelimitedFile(Source(path), Mapping())
    with file:
        return [piece[:3] for piece in file.pieces()]


@settings(deadline=None, max_examples=60)
@given(TABLES, st.sampled_from(DELIMITERS), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
def test_what_a_csv_writer_wrote_reads_back_row_for_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str, quoting: int
) -> None:
    # Lines within a cell that are as wide as a row are taken for rows.
    assume(all(line.count(delimiter) != 5 for cells in rows for cell in cells for line in cell.splitlines()))
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(csv_bytes(rows, delimiter, quoting))
    assert [piece[2] for piece in pieces_of(path)] == [dict(zip(COLUMNS, cells, strict=True)) for cells in rows]


@settings(deadline=None, max_examples=100)
@given(TABLES, st.data())
def test_no_line_of_a_file_that_is_cut_anywhere_goes_unaccounted(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], data: st.DataObject
) -> None:
    whole = csv_bytes(rows, ",", csv.QUOTE_MINIMAL)
    header = whole.index(b"\n") + 1
    path = tmp_path_factory.getbasetemp() / "cut.csv"
    path.write_bytes(whole[: data.draw(st.integers(header, len(whole)))])
    lines = io.TextIOWrapper(io.BytesIO(path.read_bytes()), errors="replace", newline="").readlines()
    covered = [number for first, last, _ in pieces_of(path) for number in range(first, last + 1)]
    assert len(covered) == len(set(covered))
    for number, line in enumerate(lines[1:], start=2):
        assert number in covered or not line.replace(",", "").replace('"', "").strip()
