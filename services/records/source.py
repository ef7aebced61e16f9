"""The bytes of a file or of standard input: looked at before they are read, and decompressed on the way."""

import codecs
import gzip
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, AnyStr, Generic, NamedTuple, cast

from services.records.validation import InvalidRecord

STANDARD_INPUT = Path("-")
HEAD = 65_536
MAX_LINE = 8 * 1024 * 1024
"""A longer line is a bomb or no text at all."""
MAX_DRAINED = 64 * 1024 * 1024
"""How much of a line is passed over, in bytes, of a stream or of what is packed: nobody knows how long it is."""
MOST_UNPACKED = 200
"""How many times its size a packed file may have unpacked, beyond `MAX_LINE`: transactions come to 5 to 50 times."""
_HANDLER = "anomaly-tui-undecoded"
_LONE = 0xDC00
_UNDECODED = re.compile("[\udc00-\udcff]")
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_COMPRESSED = {".gz": _GZIP, ".zst": _ZSTD}
_NAMES = {_GZIP: "gzip", _ZSTD: "zstd"}
UTF8 = "utf-8"
_MARKS = (
    # UTF-32 first: its mark starts with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Endless(InvalidRecord):
    """A file of which the rest cannot be read, because something in it is too long to be a transaction."""


class Line(NamedTuple, Generic[AnyStr]):
    """A line with its end; `whole` is False where it is longer than `MAX_LINE`, and `text` only its start."""

    number: int
    text: AnyStr
    whole: bool


class Stream(io.RawIOBase):
    """Bytes of which the first can be looked at before anything is read; `count` is how many were taken in."""

    def __init__(self, take: Callable[[int], bytes]) -> None:
        self._take = take
        self._ahead = b""
        self.count = 0

    def look(self, size: int, until: bytes | None = None) -> bytes:
        """The next `size` bytes, fewer where the stream ends; no more than needed to have `until` among them."""
        while len(self._ahead) < size and not (until and until in self._ahead):
            piece = self._pull(size - len(self._ahead))
            if not piece:
                break
            self._ahead += piece
        return self._ahead

    def readable(self) -> bool:
        """As `io` asks."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """As `io` asks."""
        piece = self._ahead or self._pull(len(buffer))
        size = min(len(buffer), len(piece))
        buffer[:size] = piece[:size]
        self._ahead = piece[size:]
        return size

    def _pull(self, size: int) -> bytes:
        piece = self._take(size)
        self.count += len(piece)
        return piece


class Source:
    """An open file. `suffix` is that of its content: ".csv" of "rows.csv.gz"; `stem` is its name without.

    Raises: OSError and EOFError where it cannot be opened or its start cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        suffixes = path.suffixes
        packed = _COMPRESSED.get(suffixes[-1].lower()) if suffixes else None
        inner = path.with_suffix("") if packed else path
        self.suffix = inner.suffix.lower()
        if path == STANDARD_INPUT:
            self.name, self.stem, self.size = "standard input", "stdin", None
            self._file = cast(IO[bytes], sys.stdin.buffer)
        else:
            self.name, self.stem = str(path), inner.stem
            self._file = path.open("rb")
            self.size = path.stat().st_size if path.is_file() else None
        try:
            self._disk = Stream(getattr(self._file, "read1", self._file.read))
            self._plain = self._disk
            magic = self._disk.look(4)
            found = next((each for each in _NAMES if magic.startswith(each)), None)
            if packed is not None and found != packed:
                raise OSError(f"not a {_NAMES[packed]} file ({magic[:2]!r})")
            if found is not None:
                self._plain = Stream(self._bounded(_decompressed(found, self._disk)))
            self.head = self._plain.look(HEAD, b"\n")
        except BaseException:
            self.close()
            raise

    def _bounded(self, unpack: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """What `unpack` gives. Raises: Endless once it is far more than what it is made of."""

        def take(size: int) -> bytes:
            if self._plain.count > max(MAX_LINE, MOST_UNPACKED * self._disk.count):
                raise Endless(f"it unpacks to more than {MOST_UNPACKED} times its size, which no transactions do")
            return unpack(size)

        return take

    @property
    def position(self) -> int:
        """How many bytes have been read of what lies on disk."""
        return self._disk.count

    def lines(self, encoding: str | None = None) -> Iterator[Line[str]]:
        """The lines of the content, decoded; by the mark at its start, else as UTF-8, where no encoding is named.

        Line ends are kept; a byte that cannot be decoded becomes a character that `undecoded` finds.
        Raises: Endless.
        """
        text = io.TextIOWrapper(io.BufferedReader(self._plain, HEAD), encoding or self.encoding, _HANDLER, newline="")
        return self.numbered(text.readline)

    def numbered(self, readline: Callable[[int], AnyStr]) -> Iterator[Line[AnyStr]]:
        """Lines as `readline` gives them, without a mark. Raises: Endless, of a stream or of what is packed."""
        bounded = self.size is not None and self._plain is self._disk
        return numbered(readline, sys.maxsize if bounded else MAX_DRAINED)

    @property
    def encoding(self) -> str:
        """What the mark at the start says, or else UTF-8."""
        return next((encoding for mark, encoding in _MARKS if self.head.startswith(mark)), UTF8)

    def utf8(self, encoding: str | None = None) -> io.BufferedReader:
        """The same content as bytes in UTF-8, without a mark."""
        encoding = encoding or self.encoding
        stream = self._plain
        if codecs.lookup(encoding).name not in (UTF8, "utf-8-sig"):
            text = io.TextIOWrapper(io.BufferedReader(stream, HEAD), encoding, _HANDLER, newline="")
            stream = Stream(lambda size: encoded(text.read(size)))
        if stream.look(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
            stream.read(len(codecs.BOM_UTF8))
        return io.BufferedReader(stream, HEAD)

    def spooled(self) -> IO[bytes]:
        """The content as a file in which one can seek, a temporary one where it is none by itself. Raises: Endless."""
        if self._plain is self._disk and self._file.seekable():
            self._file.seek(0)
            return self._file
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(io.BufferedReader(self._plain, HEAD), copy, HEAD)
        copy.seek(0)
        return copy

    def close(self) -> None:
        """Let go of the file; standard input is left to the process."""
        if self.path != STANDARD_INPUT:
            self._file.close()


def encoded(text: str) -> bytes:
    """Decoded text as UTF-8, with the bytes that could not be decoded as they were."""
    return text.encode(UTF8, _HANDLER)


def undecoded(text: str) -> str | None:
    """The first byte in `text` that could not be decoded, such as "byte 0xE9"; None where all could."""
    found = None if text.isascii() else _UNDECODED.search(text)
    return f"byte 0x{ord(found[0]) - _LONE:02X}" if found else None


def numbered(readline: Callable[[int], AnyStr], most: int = MAX_DRAINED) -> Iterator[Line[AnyStr]]:
    """Lines as `readline` gives them, without a mark. Raises: Endless where one is longer than `most`."""
    number = 0
    while text := readline(MAX_LINE):
        number += 1
        if number == 1 and isinstance(text, str):
            text = text.removeprefix("\ufeff")
        whole = len(text) < MAX_LINE or _ended(text)
        length = len(text)
        while not whole and (rest := readline(MAX_LINE)):
            length += len(rest)
            if length > most:
                raise Endless(f"line {number} is longer than {most:,} bytes, which no transaction is")
            if _ended(rest):
                break
        yield Line(number, text, whole)


def _ended(text: str | bytes) -> bool:
    return text[-1] in ("\n", "\r", 10, 13)


def _keep_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Undecodable bytes as lone surrogates, as `surrogateescape` does, but any byte of any encoding; and back."""
    if isinstance(error, UnicodeDecodeError):
        return "".join(chr(_LONE + byte) for byte in error.object[error.start : error.end]), error.end
    if isinstance(error, UnicodeEncodeError):
        return bytes(ord(sign) - _LONE & 0xFF for sign in error.object[error.start : error.end]), error.end
    raise error


codecs.register_error(_HANDLER, _keep_bytes)


def _decompressed(magic: bytes, stream: Stream) -> Callable[[int], bytes]:
    if magic == _GZIP:
        return gzip.GzipFile(fileobj=cast(IO[bytes], io.BufferedReader(stream, HEAD))).read1
    # Loading pyarrow takes a quarter of a second, which only files that need it should cost.
    import pyarrow

    unpacked = pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, mode="r"), "zstd")

    def take(size: int) -> bytes:
        try:
            return unpacked.read(size)
        except pyarrow.ArrowException as error:
            raise OSError(str(error)) from None

    return take
