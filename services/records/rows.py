"""Rows of a file: what all formats have in common."""

import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from domain.transaction import GroundTruth, Transaction
from services.errors import UserError
from services.records import wire
from services.records.amounts import SIGNED_TWICE, THREE_DECIMALS
from services.records.labels import UNKNOWN_LABEL
from services.records.mapping import Mapping
from services.records.mapping_file import ROW_NUMBER
from services.records.source import Source
from services.records.timestamps import AMBIGUOUS
from services.records.validation import InvalidRecord, quoted

MAX_RAW = 65_536
_NOTED = {
    AMBIGUOUS: "their local time came twice when the clocks were put back; the first is taken",
    SIGNED_TWICE: "their debit or credit has a minus; such a debit is taken for money back, such a credit for spending",
    THREE_DECIMALS: "their amount has three decimals; where that point stands between thousands, add --decimal , "
    "--thousands .",
    UNKNOWN_LABEL: "their label is none of 1, true, yes, fraud and their opposites, and says nothing; name those that "
    "mean an anomaly in a mapping: [label] anomalous = [...]",
}


class UnreadableFile(UserError):
    """A file that cannot be read at all, or not to its end; the message is one line with its path."""


class InvalidRow(InvalidRecord):
    """A row that cannot become a transaction: its place, such as "line 7", and the start of its text."""

    def __init__(self, place: str, reason: str, raw: bytes) -> None:
        super().__init__(reason)
        self.place = place
        self.raw = raw[:MAX_RAW]


FileRow = tuple[Transaction, GroundTruth | None] | InvalidRow


class Piece(NamedTuple):
    """A stretch of a file: a record or why it is none, its first and last line, its text where it has one."""

    first: int
    last: int
    value: dict[str, Any] | InvalidRecord
    raw: bytes | None = None


class RowFile(ABC):
    """An open file, read once by iterating over it.

    `size` is its length, None where that is not known, and `position` how much of it has been read: in bytes as
    they lie on disk, or in rows for Parquet. `remarks` are sentences on how the file is taken.
    """

    unit = "line"

    def __init__(self, source: Source, mapping: Mapping) -> None:
        self.source = source
        self.mapping = mapping
        self.size: int | None = source.size
        self.remarks: list[str] = []
        self.noted: Counter[str] = Counter()
        """How many rows were read with a remark: an ambiguous local time."""
        self.skipped: Counter[str] = Counter()
        """How many stand for no transaction, such as a deletion, by kind."""
        self.updated = False
        """Whether the last row is a change of one that may have been there before."""
        self._at: Piece | None = None

    @property
    def position(self) -> int:
        """How much of `size` has been read."""
        return self.source.position

    @property
    def place(self) -> str:
        """Where the last row stands, such as "line 7" or "lines 7 to 9"."""
        if self._at is None:
            return "the start"
        first, last = self._at[:2]
        return f"{self.unit} {first}" if first == last else f"{self.unit}s {first} to {last}"

    def cut(self) -> Iterator[Piece]:
        """The pieces in order. Raises: UnreadableFile where there is none, or the file turns out to be damaged."""
        pieces = self.pieces()
        while True:
            try:
                piece = next(pieces, None)
            except InvalidRecord as error:
                raise self._unreadable(error.reason) from None
            except (OSError, EOFError, zlib.error) as error:
                raise self._unreadable(f"damaged after {self.place}: {first_line(error)}") from None
            if piece is None:
                if self._at is None:
                    raise self._unreadable("there are no rows in it")
                return
            self._at = piece
            yield piece

    def __iter__(self) -> Iterator[FileRow]:
        """The rows in order. Raises as `cut` does."""
        for piece in self.cut():
            self.updated = False
            record, raw = piece.value, piece.raw
            try:
                if isinstance(record, InvalidRecord):
                    raise record
                reading = wire.read_row(record, self.mapping, f"{self.source.stem}#{piece.first}")
                row: FileRow = reading.transaction, reading.truth
                self.noted.update(reading.remarks)
                self.updated = reading.updated
            except wire.Skipped as skip:
                self.skipped[skip.kind] += 1
                continue
            except InvalidRecord as error:
                reason = error.reason + _records_within(record)
                row = InvalidRow(self.place, reason, raw if raw is not None else _as_json(record))
            yield row

    @property
    def closing_remarks(self) -> list[str]:
        """What can be said once all is read."""
        return [
            f"{count:,} row{'' if count == 1 else 's'} read with a remark: {_NOTED.get(what, what)}."
            for what, count in self.noted.items()
        ]

    @abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """The file cut into records. Raises: InvalidRecord where the rest cannot be read."""

    def close(self) -> None:
        """Let go of the file."""
        self.source.close()

    def __enter__(self) -> "RowFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unreadable(self, why: str) -> UnreadableFile:
        return UnreadableFile(f"{self.source.name}: {why}")

    def _lacking(self, columns: list[str]) -> list[str]:
        return self.mapping.lacking(columns)

    def _require(self, columns: list[str]) -> None:
        lacking = self._lacking(columns)
        if lacking:
            # An id that all rows have in common is of no use.
            given = [f"give it with --set {name}=..." for name in lacking if name != "transaction_id"]
            other = given[0] if given else f'number the rows there with transaction_id = "{ROW_NUMBER}"'
            raise self._unreadable(
                f"no column for {', '.join(lacking)}; name it in a mapping (`anomaly-tui mapping guess` writes one), "
                f"or {other}"
            )


def first_line(error: BaseException) -> str:
    """The start of what an error of a library says."""
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _records_within(record: object) -> str:
    """A word on the list of objects in a record that is none, as a page of an API's answer has it."""
    if not isinstance(record, dict):
        return ""
    for name, value in record.items():
        if isinstance(value, list) and len(value) > 1 and all(isinstance(each, dict) for each in value):
            return f"; {quoted(name)} holds {len(value):,} objects: if those are the records, save that list by itself"
    return ""


def _as_json(record: object) -> bytes:
    try:
        return msgspec.json.encode(record)
    except (TypeError, ValueError, RecursionError):
        return repr(record).encode("utf-8", "backslashreplace")
