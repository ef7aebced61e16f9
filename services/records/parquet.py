"""Rows of Parquet files, a batch at a time."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, cast

from services.records.mapping import Mapping
from services.records.rows import Piece, RowFile, first_line
from services.records.source import Source

BATCH_ROWS = 4096
MAGIC = b"PAR1"


class ParquetFile(RowFile):
    """Rows of columns. Raises: UnreadableFile, also for a file without a column that every transaction needs."""

    unit = "row"

    def __init__(self, source: Source, mapping: Mapping) -> None:
        super().__init__(source, mapping)
        # Loading pyarrow takes a quarter of a second, which only Parquet files should cost.
        import pyarrow
        import pyarrow.parquet

        self._bytes = source.spooled()
        try:
            self._file = pyarrow.parquet.ParquetFile(self._bytes)
        except (pyarrow.ArrowException, OSError) as error:
            raise self._unreadable(f"not a Parquet file ({first_line(error)})") from None
        self.size = self._file.metadata.num_rows
        self._read = 0
        self._require(self._file.schema_arrow.names)

    @property
    def position(self) -> int:
        """How many rows have been read."""
        return self._read

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._bytes.close()
        super().close()

    def pieces(self) -> Iterator[Piece]:
        """The rows, counted from 1."""
        import pyarrow

        batches = self._file.iter_batches(BATCH_ROWS)
        while True:
            try:
                batch = next(batches, None)
            except pyarrow.ArrowException as error:
                raise OSError(str(error)) from None
            if batch is None:
                return
            names = batch.schema.names
            columns = [_values(column) for column in batch.columns]
            for values in zip(*columns, strict=True):
                self._read += 1
                yield Piece(self._read, self._read, dict(zip(names, values, strict=True)))


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
