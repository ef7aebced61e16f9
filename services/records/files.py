"""Transactions from files: CSV, JSON and Parquet, also packed, a piece at a time.

A file larger than memory is no matter.
Flat columns with our names (`merchant_id`, `latitude`, `ip`, ...) need no mapping; JSON may also nest as records do
on the wire.
"""

import codecs
import io
import zlib
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from services.errors import UserError
from services.records.delimited import DelimitedFile
from services.records.json_file import JsonFile
from services.records.mapping import Mapping
from services.records.parquet import MAGIC, ParquetFile
from services.records.rows import FileRow, InvalidRow, RowFile, UnreadableFile, first_line
from services.records.source import Endless, Source

__all__ = ["FileFormat", "FileRow", "InvalidRow", "Reading", "RowFile", "UnreadableFile", "open_rows"]

FileFormat = Literal["csv", "jsonl", "parquet"]
_FORMATS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_ELSE = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive; save it as CSV, or unpack it first",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save it as CSV first",
    b"BZh": "packed with bzip2; unpack it first, or pack it with gzip or zstd",
    b"\xfd7zXZ": "packed with xz; unpack it first, or pack it with gzip or zstd",
    # What lies in a file that is packed once was unpacked already.
    b"\x1f\x8b": "packed twice; unpack it first",
    b"\x28\xb5\x2f\xfd": "packed twice; unpack it first",
}


class Reading(NamedTuple):
    """How a file is read where its name and its content do not tell; `skip` counts lines before the header."""

    format: FileFormat | None = None
    delimiter: str | None = None
    encoding: str | None = None
    skip: int = 0

    @property
    def options(self) -> str:
        """As options of a command, each after a space."""
        signs = {"\t": "tab", "|": "'|'", ";": "';'"}
        return "".join(
            f" --{name} {signs.get(str(value), value)}"
            for name, value in (("delimiter", self.delimiter), ("encoding", self.encoding), ("skip", self.skip))
            if value
        )

    @classmethod
    def of(
        cls, format: str | None = None, delimiter: str | None = None, encoding: str | None = None, skip: int = 0
    ) -> "Reading":
        """Checked as options of the command line. Raises: UserError."""
        found = next((known for known in get_args(FileFormat) if known == format), None)
        if format is not None and found is None:
            raise UserError(f"--format {format}: it is one of {', '.join(get_args(FileFormat))}.")
        if delimiter is not None:
            delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
            if len(delimiter) != 1 or delimiter in '"\r\n':
                raise UserError(f"--delimiter {delimiter}: it is one character, such as ; or |, or the word tab.")
        if encoding is not None:
            try:
                io.TextIOWrapper(io.BytesIO(), codecs.lookup(encoding).name)
            except LookupError:
                raise UserError(
                    f"--encoding {encoding}: no encoding of that name; write such as utf-8, utf-16 or windows-1252."
                ) from None
        return cls(found, delimiter, encoding, skip)


def open_rows(path: Path, mapping: Mapping | None = None, reading: Reading | None = None) -> RowFile:
    """The rows of a file, or of standard input for "-". What `reading` leaves open is detected from name and content.

    Iterating gives a transaction with its ground truth (None unless the mapping names a label), or an
    `InvalidRow`, as a value, for a row that cannot be one. Raises: UnreadableFile, also for a file without a
    column that every transaction needs.
    """
    mapping, reading = mapping or Mapping(), reading or Reading()
    try:
        source = Source(path)
    except OSError as error:
        why = error.strerror.lower() if error.strerror else str(error)
        raise UnreadableFile(f"{path}: {why}") from None
    except (EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path}: damaged: {first_line(error)}") from None
    try:
        return _opened(source, mapping, reading)
    except (OSError, EOFError, zlib.error) as error:
        source.close()
        raise UnreadableFile(f"{source.name}: damaged: {first_line(error)}") from None
    except Endless as error:
        source.close()
        raise UnreadableFile(f"{source.name}: {error.reason}") from None
    except BaseException:
        source.close()
        raise


def _opened(source: Source, mapping: Mapping, reading: Reading) -> RowFile:
    head = source.head
    for magic, what in _ELSE.items():
        if head.startswith(magic):
            raise UnreadableFile(f"{source.name}: it is {what}")
    if not head:
        raise UnreadableFile(f"{source.name}: the file is empty")
    kind = reading.format or _FORMATS.get(source.suffix)
    if head.startswith(MAGIC) or kind == "parquet":
        return ParquetFile(source, mapping)
    if reading.encoding is None and source.encoding == "utf-8" and head[:2].count(b"\0") == 1:
        order = "le" if head[1:2] == b"\0" else "be"
        raise UnreadableFile(f"{source.name}: it looks like UTF-16 without a mark; try --encoding utf-16-{order}")
    start = head.decode(reading.encoding or source.encoding, "ignore").removeprefix("\ufeff").lstrip()
    if kind == "jsonl" or (kind is None and start.startswith(("{", "["))):
        return JsonFile(source, mapping, encoding=reading.encoding)
    return DelimitedFile(source, mapping, delimiter=reading.delimiter, encoding=reading.encoding, skip=reading.skip)
