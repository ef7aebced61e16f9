"""How an engine and a process that scores for it speak, over a pair of sockets that nobody else has.

A frame is the length of what follows, in `HEAD` bytes, and a pickle. Requests are answered in their order; those that
have nothing to answer get none.
"""

import pickle
import traceback
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import msgspec

from detectors.models import Samples
from services.pipeline.failures import Told
from services.pipeline.scorer import Outcome
from services.pipeline.scoring import Record
from services.records.mapping import Mapping

HEAD = 4


class Setup(NamedTuple):
    """What a process has to know to begin."""

    mapping: Mapping | None
    cache_bytes: int


class Taken(NamedTuple):
    """The records of a batch as columns."""

    offsets: Sequence[int]
    timestamps: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[tuple[tuple[str, bytes | None], ...]]

    @classmethod
    def of(cls, records: Sequence[Record], *, keys: bool) -> "Taken":
        """Those of these records, with their `keys` or without."""
        # Most have the same headers, which travel once.
        seen: dict[Any, Any] = {}
        return cls(
            [record.offset for record in records],
            [record.timestamp for record in records],
            [record.key if keys else None for record in records],
            [record.value for record in records],
            [seen.setdefault(headers, headers) for headers in [tuple(record.headers) for record in records]],
        )

    @property
    def records(self) -> Sequence[Record]:
        """The records one by one."""
        return [*map(Row, *self)]


class Row(msgspec.Struct, frozen=True, gc=False):
    """A record of `Taken`."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Answer(NamedTuple):
    """What came of scoring a batch, with what the models remember of it.

    The rows of one that is plain lack their transactions, which are the values of its records.
    """

    outcome: Outcome
    samples: Samples


def framed(what: object) -> memoryview:
    """The frame of something."""
    frame = BytesIO(bytes(HEAD))
    frame.seek(HEAD)
    pickle.Pickler(frame, 5).dump(what)
    whole = frame.getbuffer()
    whole[:HEAD] = (len(whole) - HEAD).to_bytes(HEAD, "big")
    return whole


def opened(body: bytes | bytearray) -> Any:
    """What a frame holds."""
    return pickle.loads(body)  # noqa: S301 - nobody but the two processes has the sockets


class Raised(NamedTuple):
    """An error as it travels: without its traceback, which is `told`."""

    error: Exception
    told: str

    @classmethod
    def of(cls, error: Exception) -> "Raised":
        """One that cannot travel becomes a `RuntimeError`."""
        told = "".join(traceback.format_exception(error))
        try:
            opened(pickle.dumps(error, 5))
        except Exception:
            error = RuntimeError(f"{type(error).__name__}: {error}")
        return cls(error, told)

    @property
    def here(self) -> Exception:
        """The error to raise here."""
        self.error.__cause__ = Told(self.told)
        return self.error
