"""Records as they travel: JSON to Transaction and back, and the headers beside it."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from domain.clock import ClockKind
from domain.transaction import MAX_TEXT, Device, GroundTruth, Location, Merchant, Transaction
from domain.values import Values, values_of
from services.records import mapping as mappings
from services.records.documents import json_object
from services.records.presets import Headers
from services.records.registry import FRAMED, Unreachable, unframed
from services.records.validation import (
    InvalidRecord,
    Skipped,
    are_valid,
    check_clock,
    checked_extra,
    validated,
)

__all__ = [
    "CLOCK_HEADER",
    "CLOCK_REPLAY",
    "CLOCK_SIMULATION",
    "REFUSED_HEADER",
    "TRUTH_HEADER",
    "InvalidRecord",
    "Reading",
    "Skipped",
    "Unreachable",
    "check_clock",
    "clock_of",
    "decode",
    "decode_truth",
    "encode",
    "encode_truth",
    "json_object",
    "read",
    "read_ours",
    "read_row",
    "refused_reason",
]

TRUTH_HEADER = "anomaly-tui-ground-truth"
CLOCK_HEADER = "anomaly-tui-event-clock"
CLOCK_REPLAY = b"replay"
CLOCK_SIMULATION = b"simulation"
"""Values of `CLOCK_HEADER` on a record that brings its own clock: its age is not checked."""
REFUSED_HEADER = "anomaly-tui-refused"
"""On a replayed row that cannot be a transaction: why. Its value is the row as it stands in the file.

Nothing has to be believed: the header only words the reason of a record that is no transaction anyway. The prefix keeps
ours apart from what other programs call `refused` or `event-clock`.
"""

UPDATED_HEADER = "anomaly-tui-updated"
"""On a replayed row that its source changed: under an id that is stored already it is skipped."""

_MAX_HEADER = 8192
_NO_HEADERS: Headers = {}
_AS_IT_IS = mappings.Mapping()
_GROUPS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("location", Location),
    ("merchant", Merchant),
    ("device", Device),
)

_typed = msgspec.json.Decoder(Transaction).decode
_typed_lines = msgspec.json.Decoder(Transaction).decode_lines
_encode_lines = msgspec.json.Encoder().encode_lines
_truth = msgspec.json.Decoder(GroundTruth).decode
encode_json = msgspec.json.Encoder().encode


class Reading(NamedTuple):
    """A record that is a transaction.

    `truth` is what a mapping's label says. `updated` marks a change of a row that may be stored already; `remarks`
    name what had to be decided on the way, such as an ambiguous local time.
    """

    transaction: Transaction
    truth: GroundTruth | None = None
    updated: bool = False
    remarks: tuple[str, ...] = ()


class Ours(NamedTuple):
    """Many transactions as we write them, and their values."""

    transactions: list[Transaction]
    values: Values


def encode(transaction: Transaction) -> bytes:
    """The record on the wire: JSON, the amount as a string so that no reader rounds it."""
    return encode_json(transaction)


def encode_truth(truth: GroundTruth) -> bytes:
    """The value of the header `TRUTH_HEADER`."""
    return encode_json(truth)


def refused_reason(headers: Headers) -> str:
    """Why our own producer refused the row, where it has a `REFUSED_HEADER` with a value."""
    value = headers.get(REFUSED_HEADER) or b""
    return value[:_MAX_HEADER].decode(errors="replace").replace("\0", "\ufffd")


def decode_truth(value: bytes | None) -> GroundTruth | None:
    """The ground truth of a header, or None when there is none that can be read: it only feeds the scoreboard."""
    return _truth_in(value) if value and len(value) <= _MAX_HEADER else None


@lru_cache(256)
def _truth_in(value: bytes) -> GroundTruth | None:
    # There are few kinds of anomalies: the same bytes come again and again.
    try:
        truth = _truth(value)
    except (ValueError, RecursionError):
        return None
    return None if truth.kind is not None and (len(truth.kind) > MAX_TEXT or "\0" in truth.kind) else truth


def decode(payload: bytes, mapping: mappings.Mapping | None = None) -> Transaction:
    """The transaction in a record's value. Raises: InvalidRecord."""
    return read(payload, mapping).transaction


def read(payload: bytes, mapping: mappings.Mapping | None = None, headers: Headers = _NO_HEADERS) -> Reading:
    """A record's value as a transaction, checked and with its time in UTC.

    Without a mapping names must be ours; fields that have no name here land in `extra`, those of a nested object
    under a dotted key. Raises: InvalidRecord, and of it Skipped for what stands for no transaction; Unreachable when
    a schema registry has to be asked and does not answer.
    """
    if mapping is None:
        try:
            transaction = _typed(payload)
            # What encodes to the same bytes has no key that is unknown or there twice, and no odd notation.
            if transaction.extra is None and encode_json(transaction) == payload:
                checked = validated(transaction, texts=len(payload) > MAX_TEXT or b"\\u0000" in payload)
                return Reading(checked, updated=UPDATED_HEADER in headers)
        except (ValueError, RecursionError):
            # A record that is not quite ours, or wrong: the thorough way tells which.
            pass
        mapping = _AS_IT_IS
    document = unframed(payload, mapping.registry) if payload[:1] == FRAMED else json_object(payload)
    return _read(document, mapping, headers, None)


def read_ours(payloads: Sequence[bytes]) -> Ours | None:
    """What `read` makes of values that are all as we write them and all valid; None where one of them is not.

    Many are decoded at once, a line each: what encodes to the same lines, as many as there are values, has a line feed
    nowhere else, so that each value is one line.
    """
    lines = b"\n".join((*payloads, b""))
    if b"\\u0000" in lines or max(map(len, payloads)) > MAX_TEXT:
        return None
    try:
        transactions = _typed_lines(lines)
    except (ValueError, RecursionError):
        return None
    if len(transactions) != len(payloads) or _encode_lines(transactions) != lines:
        return None
    # At once, as long as they are in the processor's cache: it takes a third of what it takes later.
    values = values_of(transactions)
    if values["extra"].count(None) < len(transactions) or not are_valid(values):
        return None
    return Ours(transactions, values)


def read_row(record: dict[str, Any], mapping: mappings.Mapping, number: str | None = None) -> Reading:
    """A row of a file as a transaction, by the same rules; `number` is the row's. Raises: InvalidRecord."""
    return _read(record, mapping, _NO_HEADERS, number)


def _read(record: dict[str, Any], mapping: mappings.Mapping, headers: Headers, number: str | None) -> Reading:
    document, extra, truth, updated, remarks = mapping.translate(record, headers, number)
    for group, kind in _GROUPS:
        if group in document:
            document[group] = kind(**document[group])
    transaction = Transaction(**document, extra=checked_extra(extra))
    return Reading(validated(transaction), truth, updated or UPDATED_HEADER in headers, remarks)


_CLOCKS: dict[bytes | None, ClockKind] = {CLOCK_REPLAY: "replay", CLOCK_SIMULATION: "simulation"}


def clock_of(headers: Headers) -> ClockKind:
    """By whose clock the times of a record are."""
    return _CLOCKS.get(headers.get(CLOCK_HEADER), "live")
