"""Records as they travel: JSON to Transaction and back, and the headers beside it."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from domain.transaction import MAX_TEXT, Device, GroundTruth, Location, Merchant, Transaction
from services.records.mapping import Mapping
from services.records.validation import InvalidRecord, check_clock, checked_extra, validated

__all__ = [
    "CLOCK_HEADER",
    "CLOCK_REPLAY",
    "REFUSED_HEADER",
    "TRUTH_HEADER",
    "InvalidRecord",
    "check_clock",
    "decode",
    "decode_labelled",
    "decode_truth",
    "encode",
    "encode_truth",
]

TRUTH_HEADER = "ground-truth"
CLOCK_HEADER = "event-clock"
CLOCK_REPLAY = b"replay"
"""Value of `CLOCK_HEADER` on a record that brings its own clock: its age is not checked."""
REFUSED_HEADER = "refused"
"""On a replayed row that cannot be a transaction: why. Its value is the row as it stands in the file."""

_GROUPS = {"location": Location, "merchant": Merchant, "device": Device}
_NAMES = frozenset(Transaction.__struct_fields__) - {"extra"}


class _LocationKeys(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    country: msgspec.Raw = msgspec.Raw()
    city: msgspec.Raw = msgspec.Raw()
    latitude: msgspec.Raw = msgspec.Raw()
    longitude: msgspec.Raw = msgspec.Raw()


class _MerchantKeys(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: msgspec.Raw = msgspec.Raw()
    name: msgspec.Raw = msgspec.Raw()
    category: msgspec.Raw = msgspec.Raw()


class _DeviceKeys(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: msgspec.Raw = msgspec.Raw()
    type: msgspec.Raw = msgspec.Raw()
    ip: msgspec.Raw = msgspec.Raw()


class _Keys(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The shape of a record without a key of its own: decoding to it fails on the first one, and costs little."""

    transaction_id: msgspec.Raw
    user_id: msgspec.Raw
    amount: msgspec.Raw
    currency: msgspec.Raw
    timestamp: msgspec.Raw
    location: _LocationKeys | None = None
    transaction_type: msgspec.Raw = msgspec.Raw()
    merchant: _MerchantKeys | None = None
    payment_method: msgspec.Raw = msgspec.Raw()
    device: _DeviceKeys | None = None


_typed = msgspec.json.Decoder(Transaction).decode
_keys = msgspec.json.Decoder(_Keys).decode
_untyped = msgspec.json.Decoder(float_hook=Decimal).decode
_truth = msgspec.json.Decoder(GroundTruth).decode
encode_json = msgspec.json.Encoder().encode


def encode(transaction: Transaction) -> bytes:
    """The record on the wire: JSON, the amount as a string so that no reader rounds it."""
    return encode_json(transaction)


def encode_truth(truth: GroundTruth) -> bytes:
    """The value of the header `TRUTH_HEADER`."""
    return encode_json(truth)


def decode_truth(value: bytes | None) -> GroundTruth | None:
    """The ground truth of a header, or None when there is none that can be read: it only feeds the scoreboard."""
    if not value:
        return None
    try:
        truth = _truth(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if truth.kind is not None and (len(truth.kind) > MAX_TEXT or "\0" in truth.kind) else truth


def decode(payload: bytes, mapping: Mapping | None = None) -> Transaction:
    """The transaction in a record's value, checked and with its time in UTC.

    Without a mapping, names and types must be ours; fields that have no name here land in `extra`, those of
    a nested object under a dotted key. Raises: InvalidRecord.
    """
    if mapping is not None:
        return decode_labelled(payload, mapping)[0]
    try:
        transaction = _typed(payload)
        _keys(payload)
    except (ValueError, RecursionError):
        # Unknown fields, a null for an object, or a record that is wrong: the thorough way tells which.
        return from_document(json_object(payload))
    suspicious = len(payload) > MAX_TEXT or b"\\u0000" in payload
    return validated(transaction, texts=suspicious)


def decode_labelled(payload: bytes, mapping: Mapping) -> tuple[Transaction, GroundTruth | None]:
    """The transaction of a foreign record and the ground truth that the mapping finds in it.

    Raises: InvalidRecord.
    """
    return read_foreign(json_object(payload), mapping)


def read_foreign(record: dict[str, Any], mapping: Mapping) -> tuple[Transaction, GroundTruth | None]:
    """The transaction in a record that is already parsed, such as a row of a file. Raises: InvalidRecord."""
    document, extra, truth = mapping.translate(record)
    return _assembled(document, extra), truth


def from_document(document: dict[str, Any]) -> Transaction:
    """The transaction of a decoded JSON object with our names. Raises: InvalidRecord."""
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in document.items():
        if key == "extra" and isinstance(value, dict):
            extra.update(value)
        elif key not in _NAMES:
            extra[key] = value
        elif key in _GROUPS and isinstance(value, dict):
            names = _GROUPS[key].__struct_fields__
            known[key] = {name: inner for name, inner in value.items() if name in names}
            extra.update({f"{key}.{name}": inner for name, inner in value.items() if name not in names})
        elif key not in _GROUPS or value is not None:
            known[key] = value
    return _assembled(known, extra)


def _assembled(document: dict[str, Any], extra: dict[str, Any]) -> Transaction:
    document["extra"] = checked_extra(extra)
    try:
        transaction = msgspec.convert(document, Transaction)
    except msgspec.ValidationError as error:
        raise InvalidRecord(_sentence(str(error))) from None
    return validated(transaction)


def json_object(payload: bytes) -> dict[str, Any]:
    """A payload as a JSON object, every number with a point as an exact decimal. Raises: InvalidRecord."""
    try:
        document = _untyped(payload)
    except InvalidOperation:
        raise InvalidRecord("a number is out of range") from None
    except RecursionError:
        raise InvalidRecord("the JSON is nested too deep") from None
    except UnicodeDecodeError:
        raise InvalidRecord("the record is not valid UTF-8") from None
    except msgspec.ValidationError as error:
        raise InvalidRecord(_sentence(str(error))) from None
    except msgspec.DecodeError as error:
        raise InvalidRecord(_malformed(payload, str(error))) from None
    if not isinstance(document, dict):
        raise InvalidRecord("the record is not a JSON object")
    return document


_SURROGATE = re.compile(rb"(\\+)u[dD][89a-fA-F]")


def _malformed(payload: bytes, message: str) -> str:
    if not payload.strip():
        return "the record is empty"
    # The decoder stops at a lone surrogate with a message about truncation, which would mislead.
    if any(len(match[1]) % 2 for match in _SURROGATE.finditer(payload)) and re.search("truncated|surrogate", message):
        return "a text is not valid Unicode (a lone surrogate)"
    detail = message.removeprefix("JSON is malformed: ").replace("Input data was truncated", "it ends too early")
    return f"the JSON is malformed: {detail}"


_AT = re.compile(r" - at `\$\.?(.*)`$")
_TYPES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a decimal number",
    "datetime": "an RFC 3339 timestamp",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def _sentence(message: str) -> str:
    """A message of msgspec in the analyst's words."""
    where = _AT.search(message)
    field = where[1] if where and where[1] else "the record"
    what = message[: where.start()] if where else message
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        return f"{missing[1]} is missing"
    if types := re.fullmatch(r"Expected `(\w+)(?: \| null)?`, got `(\w+)`", what):
        wanted, got = (_TYPES.get(name.lower(), name) for name in types.groups())
        return f"{field} must be {wanted}, not {got}"
    if "RFC3339" in what:
        return f"{field} is not an RFC 3339 timestamp"
    if "decimal" in what:
        return f"{field} is not a decimal number"
    return f"{field}: {what[0].lower()}{what[1:]}"
