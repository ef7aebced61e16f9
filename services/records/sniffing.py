"""How a file of cells is read when nothing is known of its columns: detected from its first lines."""

import csv
from collections import Counter
from pathlib import Path

from services.records.delimited import DELIMITERS, HEADER_WITHIN
from services.records.files import Reading
from services.records.source import Source

_FALLBACK = "windows-1252"
"""What exports of banks and spreadsheets are written in where they are not Unicode; it decodes whatever comes."""


def sniffed(path: Path, reading: Reading) -> Reading:
    """`reading` with what the start of the file says: delimiter, encoding, lines before the header.

    The header is the first line with as many cells as most of the lines have. A file that is not cells stays as it is.
    Raises: OSError.
    """
    source = Source(path)
    try:
        head, encoding = source.head, reading.encoding or source.encoding
    finally:
        source.close()
    if reading.format in ("jsonl", "parquet") or head.lstrip().startswith((b"{", b"[", b"PAR1")):
        return reading
    try:
        # The last line of the head may end within a character.
        text = head[: head.rfind(b"\n") + 1 or None].decode(encoding)
    except UnicodeDecodeError:
        if reading.encoding is not None:
            return reading
        encoding = _FALLBACK
        text = head.decode(encoding, "replace")
        reading = reading._replace(encoding=encoding)
    lines = [line for line in text.removeprefix("\ufeff").splitlines()[:HEADER_WITHIN] if line.strip()]
    best = (0, 1, ",", 0)
    for delimiter in (reading.delimiter,) if reading.delimiter else DELIMITERS:
        # A delimiter within quotes is part of a cell: "Kirlin, Sons" is one.
        counts = [len(next(csv.reader([line], delimiter=delimiter))) for line in lines]
        (cells, times), *_ = Counter(counts).most_common(1) or [(1, 0)]
        if cells > 1:
            best = max(best, (times, cells, delimiter, counts.index(cells)))
    _, cells, delimiter, skip = best
    if cells == 1:
        return reading
    found = reading if delimiter == "," else reading._replace(delimiter=delimiter)
    return found if reading.skip or not skip else found._replace(skip=skip)
