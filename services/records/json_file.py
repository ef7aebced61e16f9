"""JSON lines, JSON lists, and JSON documents one after another, a piece at a time."""

import json
import re
from collections.abc import Callable, Iterator

from services.records import wire
from services.records.mapping import Mapping
from services.records.rows import MAX_RAW, Piece, RowFile
from services.records.source import HEAD, MAX_LINE, Endless, Source
from services.records.validation import InvalidRecord

# A text has no line break in it: one that was never closed ends with its line, and harms no other record.
_TOKEN = re.compile(rb'"(?:[^"\\\r\n]|\\[^\r\n])*+(?P<whole>")?|(?P<sign>[{}\[\],:])|\n|[^\s"{}\[\],:]+')
_CLOSES = {b"{": b"}", b"[": b"]"}
_BEFORE_OBJECT = {b"{": (b":",), b"[": (b"[", b",")}
"""What stands before an object within an object or a list."""


class JsonFile(RowFile):
    """Objects: one a line, or of any shape on as many lines as they like, also within one list.

    Raises: UnreadableFile for a file without content.
    """

    def __init__(self, source: Source, mapping: Mapping, *, encoding: str | None = None) -> None:
        super().__init__(source, mapping)
        self._bytes = source.utf8(encoding)
        start = source.head.decode(encoding or source.encoding, "ignore").removeprefix("\ufeff").lstrip()
        if not start:
            start = self._bytes.peek(HEAD).decode(errors="ignore").lstrip()
        if not start:
            raise self._unreadable("the file is empty")
        first = start.splitlines()[0].strip()
        self._one_a_line = not (first == "{" or first.startswith("[") or self._continues(first) or _followed(first))

    def pieces(self) -> Iterator[Piece]:
        """The objects, and what stands between them."""
        return self._by_lines() if self._one_a_line else documents(self._bytes.read1)

    def _continues(self, first: str) -> bool:
        """Whether a record of a .json file goes on after the first line; other files have one a line."""
        return self.source.suffix == ".json" and first.startswith("{") and first.endswith((",", "{", "["))

    def _by_lines(self) -> Iterator[Piece]:
        for number, line, whole in self.source.numbered(self._bytes.readline):
            if not whole:
                refusal = InvalidRecord(f"the line is longer than {MAX_LINE:,} bytes")
                yield Piece(number, number, refusal, line[:MAX_RAW])
            elif line.strip():
                yield _piece(number, number, line)


def documents(read: Callable[[int], bytes]) -> Iterator[Piece]:
    """Objects cut out of JSON by its brackets, in lists or not; `read` gives the next bytes, at most so many.

    An object that lacks its end is noticed where the next one begins. Raises: Endless.
    """
    record, opened = bytearray(), list[bytes]()
    line = first = last = 1
    before, rest = b"", b""
    of_lists: bool | None = None
    in_list = False
    while True:
        # At least as much again as the unfinished token, which is looked at from its start each time.
        chunk = more = read(HEAD)
        while more and len(chunk) < len(rest):
            chunk += (more := read(HEAD))
        buffer, begin, rest = rest + chunk, 0, b""
        for match in _TOKEN.finditer(buffer):
            token = match[0]
            if token == b"\n":
                line += 1
                continue
            if chunk and not (match["whole"] or match["sign"]) and match.end() >= len(buffer) - 1:
                rest = buffer[match.start() :]
                break
            if opened and token == b"{" and before not in _BEFORE_OBJECT[opened[-1]]:
                yield _unclosed(first, last, record + buffer[begin : match.start()])
                record.clear()
                opened.clear()
            last = line
            if opened:
                if token in _CLOSES:
                    opened.append(token)
                elif token in (b"}", b"]"):
                    while opened and _CLOSES[opened.pop()] != token:
                        pass
                    if not opened:
                        yield _piece(first, line, bytes(record + buffer[begin : match.end()]))
                        record.clear()
                before = token
            elif token == b"[" and not in_list and of_lists is not False:
                of_lists = in_list = True
            elif token in _CLOSES:
                of_lists = of_lists or False
                opened.append(token)
                first, begin, before = line, match.start(), token
            elif token == b"]" and in_list:
                in_list = False
            elif token != b"," or not in_list:
                yield _piece(line, line, token)
        if opened:
            record += buffer[begin : len(buffer) - len(rest)]
        if len(record) + len(rest) > MAX_LINE:
            raise Endless(f"the JSON that begins on line {first} is longer than {MAX_LINE:,} bytes")
        if not chunk:
            break
    if opened:
        yield _unclosed(first, last, record)
    elif in_list:
        yield Piece(line, line, InvalidRecord("the list is not closed: the file is cut off"), b"")


def _followed(line: str) -> bool:
    """Whether another object follows the first one on its line."""
    try:
        _, end = json.JSONDecoder().raw_decode(line)
    except (ValueError, RecursionError):
        return False
    return line[end:].lstrip().startswith("{")


def _piece(first: int, last: int, text: bytes) -> Piece:
    try:
        return Piece(first, last, wire.json_object(text), text)
    except InvalidRecord as error:
        return Piece(first, last, error, text[:MAX_RAW])


def _unclosed(first: int, last: int, text: bytearray) -> Piece:
    return Piece(first, last, InvalidRecord("the object that begins here is not closed"), bytes(text[:MAX_RAW]))
