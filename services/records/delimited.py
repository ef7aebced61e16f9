"""CSV and its kin: strict about quotes, so that no row is ever swallowed by another."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence

from services.records.mapping import Mapping
from services.records.rows import MAX_RAW, Piece, RowFile
from services.records.source import MAX_LINE, UTF8, Endless, Line, Source, encoded, undecoded
from services.records.validation import InvalidRecord, quoted

DELIMITERS = (",", ";", "\t", "|")
HEADER_WITHIN = 20
"""The line that names the columns is one of the first with content."""
MAX_COLUMNS = 10_000
MAX_SPAN = 1_000
"""Lines over which one row may go: more than that is a quote that was never closed."""
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LINE_END = re.compile(r"\r\n|\r|\n")


class _Merged(Exception):
    """A row whose cell holds what look like rows of their own."""


class DelimitedFile(RowFile):
    """Rows of cells under a line that names the columns.

    Raises: UnreadableFile for a header without a column that every transaction needs, or with one name twice.
    """

    def __init__(
        self,
        source: Source,
        mapping: Mapping,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        skip: int = 0,
    ) -> None:
        super().__init__(source, mapping)
        self._encoding = encoding or source.encoding
        self._lines = _Lines(source.lines(encoding))
        self._spanning = 0
        self._first_spanning = ""
        try:
            for _ in range(skip):
                self._lines.leave_aside()
            within = 1 if skip else HEADER_WITHIN
            self._delimiter, header = self._header((delimiter,) if delimiter else DELIMITERS, within)
        except InvalidRecord as error:
            raise self._unreadable(error.reason) from None
        self._columns = self._named(header)
        if not delimiter and self._delimiter != ",":
            self.remarks.append(f"Cells are separated by {_NAMES[self._delimiter]}.")

    @property
    def closing_remarks(self) -> list[str]:
        """What can be said once all is read: a row over several lines may be two of which one lost a quote."""
        found = super().closing_remarks
        if self._spanning == 1:
            found.append(f"One row goes over several lines: {self._first_spanning}.")
        elif self._spanning:
            found.append(f"{self._spanning:,} rows go over several lines, the first over {self._first_spanning}.")
        return found

    def pieces(self) -> Iterator[Piece]:
        """The rows under the header; lines without content are none."""
        columns, lines = self._columns, self._lines
        rows = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            lines.taken.clear()
            try:
                cells = next(rows)
                if len(lines.taken) > 1:
                    self._check_merged(cells)
            except StopIteration:
                return
            except Endless:
                raise
            except (csv.Error, InvalidRecord, _Merged) as error:
                # Only the line that is wrong is left out: those after it may be rows of their own.
                why = self._why(error)
                lines.give_back(1)
                yield self._refused(why)
                continue
            try:
                self._check_decoded(lines.taken)
            except InvalidRecord as error:
                yield self._refused(error.reason)
                continue
            if not any(map(str.strip, cells)):
                continue
            if len(cells) != len(columns):
                has = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
                yield self._refused(f"the row has {has}, the header {len(columns)}")
                continue
            first, last = lines.taken[0].number, lines.taken[-1].number
            if last > first:
                self._spanning += 1
                self._first_spanning = self._first_spanning or f"lines {first} to {last}"
            yield Piece(first, last, dict(zip(columns, cells, strict=True)))

    def _header(self, delimiters: Sequence[str], within: int) -> tuple[str, list[str]]:
        """The delimiter and the names: of the first line that has every column a transaction needs."""
        lines, widest, passed = self._lines, (",", list[str]()), 0
        seen: list[Line[str]] = []
        while passed < within:
            blank = True
            for delimiter in delimiters:
                lines.taken.clear()
                try:
                    cells = [cell.strip() for cell in next(csv.reader(lines, delimiter=delimiter, strict=True), ())]
                except csv.Error:
                    cells = [delimiters[0]]
                if any(cells):
                    blank = False
                    if not self._lacking(cells):
                        self._check_decoded(lines.taken)
                        if passed:
                            line = lines.taken[0].number
                            self.remarks.append(f"Line {line} names the columns; what stands before it is left aside.")
                        return delimiter, cells
                    if not passed and len(cells) > len(widest[1]):
                        widest = delimiter, cells
                if delimiter == delimiters[0]:
                    seen += lines.taken
                lines.give_back()
            if not lines.leave_aside():
                break
            passed += not blank
        if not widest[1]:
            raise InvalidRecord("the file is empty; its first line must name the columns")
        # A column whose name has a broken byte is not found: the encoding is what is wrong, not the mapping.
        self._check_decoded(seen)
        self._require(widest[1])
        return widest

    def _named(self, header: list[str]) -> list[str]:
        """A name for every column, also for one without. Raises: UnreadableFile."""
        if len(header) > MAX_COLUMNS:
            raise self._unreadable(f"it has {len(header):,} columns; at most {MAX_COLUMNS:,} are read")
        columns = [name or f"column {number}" for number, name in enumerate(header, start=1)]
        twice = next((name for number, name in enumerate(columns) if name in columns[:number]), None)
        if twice is not None:
            raise self._unreadable(f"two columns are named {quoted(twice)}; rename one of them")
        return columns

    def _check_merged(self, cells: list[str]) -> None:
        """Raise where a cell holds lines that are as wide as a row: a quote before it was never closed."""
        between = len(self._columns) - 1
        if between < 2:
            return
        for cell in cells:
            if any(line.count(self._delimiter) == between for line in _LINE_END.split(cell)[1:]):
                raise _Merged

    def _check_decoded(self, lines: list[Line[str]]) -> None:
        for line in lines:
            byte = undecoded(line.text)
            if byte is not None:
                where = "" if line is lines[0] else f" on line {line.number}"
                advice = "try --encoding windows-1252" if self._encoding == UTF8 else "name another with --encoding"
                raise InvalidRecord(f"{byte}{where} is not {self._encoding.upper()}; {advice}")

    def _why(self, error: Exception) -> str:
        """What is wrong with the row just read, in words."""
        taken = self._lines.taken
        text = str(error)
        if len(taken) == 1 and isinstance(error, InvalidRecord):
            return error.reason
        if "field limit" in text and len(taken) == 1:
            return f"a cell is longer than {csv.field_size_limit():,} characters"
        if len(taken) == 1 and "unexpected end" not in text:
            return "text follows a closing quote; a quote within a cell is written twice"
        # Read without its end, the line ends in the cell that the quote opened.
        cells = next(csv.reader([taken[0].text], delimiter=self._delimiter))
        name = quoted(self._columns[len(cells) - 1]) if len(cells) <= len(self._columns) else f"cell {len(cells)}"
        return f"the quote that opens in {name} is not closed before the next row begins"

    def _refused(self, reason: str) -> Piece:
        taken = self._lines.taken
        raw = encoded("".join(line.text for line in taken)[:MAX_RAW])
        return Piece(taken[0].number, taken[-1].number, InvalidRecord(reason), raw)


class _Lines:
    """Lines to read rows from; those `taken` since it was emptied can be given back."""

    def __init__(self, lines: Iterator[Line[str]]) -> None:
        self._lines = lines
        self._waiting: deque[Line[str]] = deque()
        self.taken: list[Line[str]] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self.taken.append(line)
        if not line.whole:
            raise InvalidRecord(f"the line is longer than {MAX_LINE:,} characters")
        if len(self.taken) > MAX_SPAN:
            raise InvalidRecord(f"the row goes over more than {MAX_SPAN:,} lines")
        return line.text

    def give_back(self, kept: int = 0) -> None:
        """Read the lines taken again, but for the first `kept`."""
        self._waiting.extendleft(reversed(self.taken[kept:]))
        del self.taken[kept:]

    def leave_aside(self) -> bool:
        """Pass over a line; False where there is none."""
        if self._waiting:
            self._waiting.popleft()
            return True
        return next(self._lines, None) is not None
