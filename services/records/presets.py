"""Envelopes that whole families of sources put around their records: Debezium, CloudEvents."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from services.records.amounts import binary
from services.records.documents import held_object, json_object
from services.records.validation import InvalidRecord, Skipped, described, quoted

Headers = Mapping[str, bytes | None]


_WITHOUT_ROW = {
    "d": ("deleted", "the row was deleted at its source"),
    "t": ("truncated", "the table was emptied at its source"),
    "m": ("message", "a message of the source's log, which is no row"),
}


class Unwrapped(NamedTuple):
    """What is in an envelope. `updated` says that the row was there before, and may be stored already."""

    row: dict[str, Any]
    envelope: dict[str, Any]
    updated: bool = False


class Preset(NamedTuple):
    """How an envelope is opened, and the paths at which mappings may know its content."""

    unwrap: Callable[[dict[str, Any], Headers], Unwrapped]
    prefixes: tuple[str, ...]

    def inside(self, path: str) -> str:
        """A path as it is within the row: `payload.after.id` is `id`."""
        for prefix in self.prefixes:
            if path.startswith(prefix):
                return path.removeprefix(prefix)
        return path


def debezium(document: dict[str, Any], headers: Headers) -> Unwrapped:
    """The row after a change, of an envelope with or without its schema, or flattened already.

    Raises: Skipped for a change that leaves no row; InvalidRecord.
    """
    payload, schema = document, None
    if "payload" in document and document.keys() <= {"schema", "payload"}:
        if document["payload"] is None:
            raise Skipped("tombstone", "the payload is null")
        payload, schema = held_object("payload", document["payload"]), document.get("schema")
    if "op" not in payload or "after" not in payload:
        operation = payload.get("__op")
        if operation == "d" or payload.get("__deleted") in (True, "true"):
            raise Skipped(*_WITHOUT_ROW["d"])
        return Unwrapped(_converted(payload, schema), payload, updated=operation == "u")
    operation = payload["op"]
    if isinstance(operation, str) and operation in _WITHOUT_ROW:
        raise Skipped(*_WITHOUT_ROW[operation])
    if operation not in ("c", "r", "u"):
        raise InvalidRecord(f"op is {described(operation)}, not one of c, r, u, d, t and m")
    if payload["after"] is None:
        raise InvalidRecord(f"after is null in a change of op {operation}")
    row = _converted(held_object("after", payload["after"]), _schema_of("after", schema))
    return Unwrapped(row, {**payload, "payload": payload}, updated=operation == "u")


def cloudevents(document: dict[str, Any], headers: Headers) -> Unwrapped:
    """The data of a CloudEvent, in structured mode (the record is the event) or binary mode (headers are).

    Raises: InvalidRecord.
    """
    if "specversion" not in document:
        attributes = {name[3:]: _text(value) for name, value in headers.items() if name.startswith("ce_") and value}
        return Unwrapped(document, attributes)
    attributes = {name: value for name, value in document.items() if name not in ("data", "data_base64")}
    kind = str(document.get("datacontenttype") or "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise InvalidRecord(f"the event's data is of the type {quoted(kind)}; only JSON is read")
    if document.get("data") is not None:
        return Unwrapped(held_object("data", document["data"]), attributes)
    encoded = document.get("data_base64")
    if not isinstance(encoded, str):
        raise InvalidRecord("the event has no data")
    try:
        return Unwrapped(json_object(b64decode(encoded, validate=True)), attributes)
    except ValueError as error:
        why = error.reason if isinstance(error, InvalidRecord) else "it is not base64"
        raise InvalidRecord(f"data_base64 cannot be read: {why}") from None


PRESETS = {
    "debezium": Preset(debezium, ("payload.after.", "after.")),
    "cloudevents": Preset(cloudevents, ("data.",)),
}


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _schema_of(name: str, schema: Any) -> Any:
    fields = schema.get("fields") if isinstance(schema, dict) else None
    for each in fields if isinstance(fields, list) else ():
        if isinstance(each, dict) and each.get("field") == name:
            return each
    return None


_DECIMAL = "org.apache.kafka.connect.data.Decimal"
_TICKS = {
    "io.debezium.time.Timestamp": 10**3,
    "io.debezium.time.MicroTimestamp": 10**6,
    "io.debezium.time.NanoTimestamp": 10**9,
    "org.apache.kafka.connect.data.Timestamp": 10**3,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _converted(row: dict[str, Any], schema: Any) -> dict[str, Any]:
    """A row with its binary decimals and times as what its schema says they are."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    types = {
        each["field"]: each
        for each in (fields if isinstance(fields, list) else ())
        if isinstance(each, dict) and isinstance(each.get("field"), str)
    }
    return {name: _value(name, value, types.get(name, {})) for name, value in row.items()}


def _value(name: str, value: Any, schema: dict[str, Any]) -> Any:
    if isinstance(value, dict) and value.keys() == {"scale", "value"}:
        scale, text = value["scale"], value["value"]
        if isinstance(text, str) and isinstance(scale, int):
            return _decimal(name, text, scale)
    kind = schema.get("name")
    if not isinstance(kind, str):
        return value
    if kind == _DECIMAL and isinstance(value, str):
        parameters = schema.get("parameters")
        scale = parameters.get("scale") if isinstance(parameters, dict) else None
        if isinstance(scale, str | int) and str(scale).isascii() and str(scale).isdigit() and len(str(scale)) < 4:
            return _decimal(name, value, int(scale))
    if kind in _TICKS and isinstance(value, int):
        try:
            return _EPOCH + timedelta(microseconds=value * 1_000_000 // _TICKS[kind])
        except OverflowError:
            raise InvalidRecord(f"{name} {quoted(value)} is a time out of range") from None
    return value


def _decimal(name: str, text: str, scale: int) -> Any:
    try:
        return binary(text, scale)
    except InvalidRecord as error:
        raise InvalidRecord(f"{quoted(name)}: {error.reason}") from None
