"""Where rows come from: packed, in other encodings, through pipes, and what is no text at all."""

import gzip
import io
import json
import os
import sys
import threading
from itertools import islice
from pathlib import Path

import pyarrow
import pytest

from services.records.files import Reading, UnreadableFile, open_rows
from services.records.source import STANDARD_INPUT
from tests.unit.services.records.reading import HEADER, described, read, row, transactions, written

TABLE = f"{HEADER}\r\n{row(1, 'Café Müller')}\r\n{row(2)}\r\n"


def zstd(content: bytes) -> bytes:
    packed: bytes = pyarrow.compress(content, codec="zstd", asbytes=True)
    return packed


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_mark_at_the_start_tells_the_encoding(tmp_path: Path, encoding: str, kind: str) -> None:
    text = (
        TABLE
        if kind == "csv"
        else '{"transaction_id":"t1","user_id":"u","amount":1,"currency":"EUR",'
        '"timestamp":"2026-11-26T08:00:00Z","merchant_name":"Café Müller"}\n'
    )
    mark = "\ufeff" if encoding.endswith("e") else ""
    path = tmp_path / f"rows.{kind}"
    path.write_bytes((mark + text).encode(encoding))
    assert transactions(path)[0].merchant.name == "Café Müller"


def test_a_byte_that_does_not_decode_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(TABLE.encode("windows-1252"))
    assert read(path) == ["line 2: byte 0xE9 is not UTF-8; try --encoding windows-1252", "t2"]
    assert transactions(path, Reading(encoding="windows-1252"))[0].merchant.name == "Café Müller"
    path.write_bytes(TABLE.encode("windows-1252").replace(b"\xe9", b"\x81"))
    assert read(path, Reading(encoding="windows-1252")) == [
        "line 2: byte 0x81 is not WINDOWS-1252; name another with --encoding",
        "t2",
    ]


def test_a_header_that_does_not_decode_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", f"{HEADER},caf\u00e9".encode("latin-1"), row(1) + ",x")
    with pytest.raises(UnreadableFile, match="byte 0xE9 is not UTF-8; try --encoding windows-1252"):
        open_rows(path)


def test_utf16_without_a_mark_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(TABLE.encode("utf-16-le"))
    with pytest.raises(UnreadableFile, match="it looks like UTF-16 without a mark; try --encoding utf-16-le"):
        open_rows(path)
    assert read(path, Reading(encoding="utf-16-le")) == ["t1", "t2"]
    path.write_bytes(bytes(4_096))
    with pytest.raises(UnreadableFile, match="no column"):
        read(path)


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.csv.zst", "rows.csv", "rows"])
def test_packed_files_are_known_by_their_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for pack in (gzip.compress, zstd):
        if name.endswith(".zst") == (pack is gzip.compress) and name.count(".") == 2:
            continue
        path.write_bytes(pack(TABLE.encode()))
        with open_rows(path) as rows:
            assert described(rows) == ["t1", "t2"]
            assert rows.position == rows.size


@pytest.mark.parametrize(("name", "pack"), [("rows.csv.gz", gzip.compress), ("rows.csv.zst", zstd)])
def test_a_damaged_archive_says_how_far_it_was_read(tmp_path: Path, name: str, pack: type) -> None:
    path = tmp_path / name
    lines = "".join(row(number, os.urandom(8).hex()) + "\n" for number in range(20_000))
    path.write_bytes(pack(f"{HEADER}\n{lines}".encode())[:-200_000])
    with open_rows(path) as rows, pytest.raises(UnreadableFile, match=r"damaged after line \d+: "):
        described(rows)
    path.write_bytes(b"never packed")
    with pytest.raises(UnreadableFile, match=r"not a (gzip|zstd) file"):
        open_rows(path)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_line_of_any_length_is_left_out_and_the_next_one_read(tmp_path: Path, name: str) -> None:
    values = ("u", "1.00", "EUR", "2026-11-26T08:00:01Z", "Kiosk")
    kept = ",".join(("t1", *values))
    path = tmp_path / name
    if name.endswith("jsonl"):
        kept = json.dumps(dict(zip(HEADER.split(","), ("t1", *values), strict=True)))
        path.write_bytes(b"0" * 80_000_000 + f"\n{kept}\n".encode())
    else:
        path.write_bytes(f"{HEADER}\n".encode() + b"0" * 80_000_000 + f"\n{kept}\n".encode())
    refused, following = read(path)
    assert "the line is longer than 8,388,608" in refused
    assert following == "t1"


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path, ending: bytes) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(HEADER.encode() + b"\n" + b"0" * 100_000_000 + ending))
    with open_rows(path) as rows, pytest.raises(UnreadableFile, match="more than 200 times its size"):
        described(rows)
    path = tmp_path / "rows.json.gz"
    path.write_bytes(gzip.compress(b'{\n"a": [' + (b'"' + b"0" * 1_000 + b'",') * 10_000))
    with (
        open_rows(path) as rows,
        pytest.raises(UnreadableFile, match=r"the JSON that begins on line 1 is longer than|times its size"),
    ):
        described(rows)


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.replace(",", ";").encode(),
        gzip.compress(TABLE.encode()),
        b'{"transaction_id":"t1","user_id":"u","amount":1,"currency":"EUR","timestamp":"2026-11-26T08:00:00Z"}\n'
        b'{"transaction_id":"t2","user_id":"u","amount":1,"currency":"EUR","timestamp":"2026-11-26T08:00:00Z"}\n',
    ],
)
def test_standard_input_is_told_by_its_content(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with open_rows(STANDARD_INPUT) as rows:
        assert rows.size is None
        assert described(rows) == ["t1", "t2"]
    assert not sys.stdin.closed


def test_a_parquet_file_may_come_through_a_pipe(tmp_path: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist(
        [{"transaction_id": 1, "user_id": 2, "amount": 3.5, "currency": "EUR", "timestamp": "2026-11-26T08:00:00Z"}]
    )
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=lambda: pipe.write_bytes((tmp_path / "rows.parquet").read_bytes()))
    writing.start()
    assert read(pipe) == ["1"]
    writing.join()


def test_rows_of_a_pipe_are_given_as_they_come(tmp_path: Path) -> None:
    pipe = tmp_path / "rows.csv"
    os.mkfifo(pipe)
    first_is_read = threading.Event()

    def write() -> None:
        with pipe.open("w") as file:
            file.write(f"{HEADER}\n{row(1)}\n")
            file.flush()
            first_is_read.wait(30)
            file.write(row(2) + "\n")

    writing = threading.Thread(target=write)
    writing.start()
    with open_rows(pipe) as rows:
        assert rows.size is None
        found = iter(rows)
        assert len(list(islice(found, 1))) == 1
        first_is_read.set()
        assert len(list(found)) == 1
    writing.join()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_bytes(gzip.compress(b"")), "the file is empty"),
        (lambda path: path.write_bytes(b"BZh91AY"), "it is packed with bzip2; unpack it first"),
    ],
)
def test_what_is_no_file_of_rows_is_one_clear_line(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "rows.csv"
    make(path)  # type: ignore[operator]
    with pytest.raises(UnreadableFile) as unreadable:
        open_rows(path)
    assert str(unreadable.value).startswith(f"{path}: {message}")
