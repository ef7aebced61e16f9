"""Transactions from files: CSV, JSON lines (both also gzipped) and Parquet, a piece at a time.

Flat columns with our names (`merchant_id`, `latitude`, `ip`, ...) need no mapping; JSON lines may also nest
as records do on the wire. A file larger than memory is no matter.
"""

import codecs
import csv
import gzip
import io
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from domain.transaction import GroundTruth, Transaction
from services.errors import UserError
from services.records import wire
from services.records.mapping import Mapping
from services.records.validation import InvalidRecord

MAX_LINE = 8 * 1024 * 1024
MAX_RAW = 65_536
BATCH_ROWS = 4096


class UnreadableFile(UserError):
    """A file that cannot be read at all; the message is one line with its path."""


class InvalidRow(InvalidRecord):
    """A row that cannot become a transaction: its number, counted from 1, and the start of its text."""

    def __init__(self, row: int, reason: str, raw: bytes) -> None:
        super().__init__(reason)
        self.row = row
        self.raw = raw[:MAX_RAW]


Row = tuple[Transaction, GroundTruth | None] | InvalidRow


class RowFile(ABC):
    """An open file, read once by iterating over it.

    `total` is the number of rows where the format knows it (Parquet). `size` and `position` count bytes of
    the file on disk, or rows for Parquet; they always tell how far reading has come. `remarks` counts what had to be
    decided to read rows, such as an ambiguous local time.
    """

    def __init__(self, path: Path, mapping: Mapping) -> None:
        self.path = path
        self.total: int | None = None
        self.size = path.stat().st_size
        self.mapping = mapping
        self.remarks: Counter[str] = Counter()

    @property
    @abstractmethod
    def position(self) -> int:
        """How much of `size` has been read."""

    def __iter__(self) -> Iterator[Row]:
        """The rows in order. Raises: UnreadableFile where the file turns out to be damaged."""
        try:
            yield from self._rows()
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableFile(f"{self.path}: damaged: {str(error).splitlines()[0][:120]}") from None

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> "RowFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self) -> Iterator[Row]:
        for number, (record, raw) in enumerate(self._records(), start=1):
            try:
                if isinstance(record, InvalidRecord):
                    raise record
                reading = wire.read_row(record, self.mapping, number)
                row: Row = reading.transaction, reading.truth
                self.remarks.update(reading.remarks)
                if reading.updated:
                    self.remarks["updated"] += 1
            except InvalidRecord as error:
                row = InvalidRow(number, error.reason, raw if raw is not None else _as_json(record))
            yield row

    @abstractmethod
    def _records(self) -> Iterator[tuple[dict[str, Any] | InvalidRecord, bytes | None]]:
        """Each row as a record, or why it is none, with its raw text where it has one."""

    def _require(self, columns: list[str]) -> None:
        lacking = self.mapping.lacking(columns)
        if lacking:
            raise UnreadableFile(
                f"{self.path}: no column for {', '.join(lacking)}; name it in a mapping, or give it with"
                f" --set {lacking[0]}=..."
            )


class _TextFile(RowFile):
    def __init__(self, path: Path, mapping: Mapping) -> None:
        super().__init__(path, mapping)
        self._file: BinaryIO = path.open("rb")
        plain = gzip.GzipFile(fileobj=self._file) if path.suffix.lower() == ".gz" else self._file
        self._stream = cast(io.BufferedReader, plain)

    @property
    def position(self) -> int:
        return min(self._file.tell(), self.size) if not self._file.closed else self.size

    def close(self) -> None:
        self._stream.close()
        self._file.close()


class _CsvFile(_TextFile):
    def __init__(self, path: Path, mapping: Mapping) -> None:
        super().__init__(path, mapping)
        # A broken byte becomes a lone surrogate, which makes its own row invalid and no other.
        text = io.TextIOWrapper(self._stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._cells = csv.reader(text)
        try:
            self._header = [name.strip() for name in next(self._cells, [])]
        except csv.Error as error:
            raise UnreadableFile(f"{path}: the first line is not CSV: {error}") from None
        if not self._header:
            raise UnreadableFile(f"{path}: the file is empty; its first line must name the columns")
        self._require(self._header)

    def _records(self) -> Iterator[tuple[dict[str, Any] | InvalidRecord, bytes | None]]:
        header, width = self._header, len(self._header)
        while True:
            try:
                cells = next(self._cells)
            except StopIteration:
                return
            except csv.Error as error:
                yield InvalidRecord(f"the row is not CSV: {error}"), b""
                continue
            if not cells:
                continue
            if len(cells) == width:
                yield dict(zip(header, cells, strict=True)), None
            else:
                raw = ",".join(cells).encode("utf-8", "surrogateescape")
                yield InvalidRecord(f"the row has {len(cells)} cells, the header {width}"), raw


class _JsonFile(_TextFile):
    def __init__(self, path: Path, mapping: Mapping) -> None:
        super().__init__(path, mapping)
        if self._stream.peek(3).startswith(codecs.BOM_UTF8):
            self._stream.read(3)
        start = self._stream.peek(64).lstrip()
        if not start:
            raise UnreadableFile(f"{path}: the file is empty")
        if start.startswith(b"["):
            raise UnreadableFile(f"{path}: a JSON list cannot be read in pieces; write one object a line (JSON lines)")

    def _records(self) -> Iterator[tuple[dict[str, Any] | InvalidRecord, bytes | None]]:
        while line := self._stream.readline(MAX_LINE):
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                while (rest := self._stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield InvalidRecord(f"the line is longer than {MAX_LINE:,} bytes"), line
            elif line.strip():
                try:
                    yield wire.json_object(line), line
                except InvalidRecord as error:
                    yield error, line


class _ParquetFile(RowFile):
    def __init__(self, path: Path, mapping: Mapping) -> None:
        super().__init__(path, mapping)
        # Loading pyarrow takes a quarter of a second, which only Parquet files should cost.
        import pyarrow
        import pyarrow.parquet

        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except pyarrow.ArrowException as error:
            raise UnreadableFile(f"{path}: not a Parquet file ({str(error).splitlines()[0][:120]})") from None
        self.total = self.size = self._file.metadata.num_rows
        self._read = 0
        self._require(self._file.schema_arrow.names)

    @property
    def position(self) -> int:
        return self._read

    def close(self) -> None:
        self._file.close()

    def _records(self) -> Iterator[tuple[dict[str, Any] | InvalidRecord, bytes | None]]:
        for batch in self._file.iter_batches(BATCH_ROWS):
            names = batch.schema.names
            columns = [_values(column) for column in batch.columns]
            for values in zip(*columns, strict=True):
                self._read += 1
                yield dict(zip(names, values, strict=True)), None


def open_rows(path: Path, mapping: Mapping | None = None) -> RowFile:
    """The rows of a file, its format told by its name: .csv, .jsonl, .ndjson, .json, each also .gz, or .parquet.

    Iterating gives a transaction with its ground truth (None unless the mapping names a label), or an
    `InvalidRow`, as a value, for a row that cannot be one. Raises: UnreadableFile, also for a file without a
    column that every transaction needs.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] == ".gz" else (suffixes or [""])[-1]
    kind = _KINDS.get(suffix)
    if kind is None or (kind is _ParquetFile and suffixes[-1] == ".gz"):
        raise UnreadableFile(f"{path}: unknown format; expected .csv, .jsonl, .ndjson, .json (also .gz) or .parquet")
    try:
        return kind(path, mapping or Mapping())
    except OSError as error:
        raise UnreadableFile(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path}: damaged: {error}") from None


_KINDS: dict[str, type[RowFile]] = {
    ".csv": _CsvFile,
    ".jsonl": _JsonFile,
    ".ndjson": _JsonFile,
    ".json": _JsonFile,
    ".parquet": _ParquetFile,
}


def _values(column: Any) -> Iterable[Any]:
    """A column as Python values: singles by their shortest decimal, no finer time than microseconds."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        # 41.82 as a single is 41.81999969 as a double: its text is what was meant.
        column = column.cast(pa.string()).cast(pa.float64())
    elif pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        # Old writers leave texts unmarked; what is no text stays bytes, which an unknown field keeps as hex.
        with suppress(pa.ArrowInvalid):
            column = column.cast(pa.string())
    return cast(Iterable[Any], column.to_pylist())


def _as_json(record: object) -> bytes:
    try:
        return msgspec.json.encode(record)
    except (TypeError, ValueError, RecursionError):
        return repr(record).encode("utf-8", "backslashreplace")
