"""Foreign records in our words: names, nesting, epoch timestamps, integer ids, constants and labels.

A mapping is a TOML file, or the section `[mapping]` of the configuration file:

    timestamp_format = "ms"            # rfc3339 (default), s, ms, us, auto, or a strptime pattern with %
    decimal = ","                      # how amounts are written in texts: 1.234,56
    thousands = "."

    [fields]                           # ours = theirs; dots go into nested objects
    transaction_id = "trans_num"       # "#": the name of the file and the line, where rows have no id
    amount = "payload.amt"
    "merchant.id" = "payload.shop"

    [set]                              # for what the source lacks
    currency = "USD"

    [label]                            # ground truth, kept away from the detectors
    field = "is_fraud"
    anomalous = [1]
    kind = "scenario"
"""

import re
import tomllib
from collections.abc import Mapping as AnyMapping
from copy import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from domain.transaction import MAX_DECIMALS, GroundTruth
from services.errors import UserError
from services.records.numerals import Numerals
from services.records.validation import InvalidRecord, quoted

GROUPS = ("location", "merchant", "device")
_PLAIN = ("transaction_id", "user_id", "amount", "currency", "timestamp", "transaction_type", "payment_method")
_NESTED = {
    "location": ("country", "city", "latitude", "longitude"),
    "merchant": ("id", "name", "category"),
    "device": ("id", "type", "ip"),
}
_DOTTED = tuple(f"{group}.{name}" for group, names in _NESTED.items() for name in names)
REQUIRED = _PLAIN[:5]
ROW_NUMBER = "#"
"""The name under which rows of a file know their number: the file's name, #, and the line."""

FLAT_NAMES: dict[str, str] = {
    **{name: name for name in (*_PLAIN, *_DOTTED)},
    **{name: f"location.{name}" for name in _NESTED["location"]},
    **{f"merchant_{name}": f"merchant.{name}" for name in _NESTED["merchant"]},
    **{f"device_{name}": f"device.{name}" for name in _NESTED["device"]},
    "ip": "device.ip",
}
"""Every name a flat record may use for a field, to the field's dotted name."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_FORMATS = ("rfc3339", "s", "ms", "us", "auto")
_SECTIONS = ("fields", "set", "label", "timestamp_format", "decimal", "thousands")
_LABEL_KEYS = ("field", "anomalous", "kind")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d")
_MISSING = object()


class BadMapping(UserError):
    """A mapping that cannot be used; the message is one line that names the key."""


class Mapping:
    """Turns one foreign record into our fields. `Mapping()` only reads flat names and types loosely.

    Under any mapping integers become text where text is meant, numeric text becomes a number where a number
    is meant, an empty text or NaN is a missing field, and currency codes are upper-cased. Records that are
    already ours read as they are, so that a replay may share a topic with the producer that the mapping is for.
    """

    def __init__(
        self,
        fields: AnyMapping[str, str] | None = None,
        constants: AnyMapping[str, Any] | None = None,
        timestamp_format: str = "rfc3339",
        label: str | None = None,
        anomalous: tuple[Any, ...] = (1, True),
        kind: str | None = None,
        numerals: Numerals | None = None,
    ) -> None:
        self._fields = {_target(name, "fields"): source for name, source in (fields or {}).items()}
        self._constants = {_target(name, "set"): value for name, value in (constants or {}).items()}
        if timestamp_format not in _FORMATS and "%" not in timestamp_format:
            raise BadMapping(
                f"timestamp_format: {quoted(timestamp_format)} is none of {', '.join(_FORMATS)}, nor a % pattern"
            )
        self._timestamp_format = timestamp_format
        self._label = label
        self._anomalous = frozenset(_label_text(value) for value in anomalous)
        self._kind = kind
        self._numerals = numerals or Numerals()

    @classmethod
    def load(cls, path: Path) -> "Mapping":
        """The mapping of a TOML file. Raises: BadMapping, also for a file that cannot be read."""
        try:
            with path.open("rb") as file:
                settings = tomllib.load(file)
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise BadMapping(f"{path}: {why}") from None
        try:
            return cls.from_dict(settings)
        except BadMapping as error:
            raise BadMapping(f"{path}: {error}") from None

    @classmethod
    def from_dict(cls, settings: AnyMapping[str, Any]) -> "Mapping":
        """The mapping of a configuration section. Raises: BadMapping."""
        _only(settings, _SECTIONS, "")
        label = _table(settings, "label")
        _only(label, _LABEL_KEYS, "label.")
        if label and "field" not in label:
            raise BadMapping("label.field: missing; it names the field that holds the label")
        anomalous = label.get("anomalous", [1, True])
        return cls(
            fields={
                name: _name(source, f"fields.{name}") for name, source in _flattened(_table(settings, "fields")).items()
            },
            constants=_flattened(_table(settings, "set")),
            timestamp_format=_name(settings.get("timestamp_format", "rfc3339"), "timestamp_format"),
            label=_name(label["field"], "label.field") if label else None,
            anomalous=tuple(anomalous) if isinstance(anomalous, list) else (anomalous,),
            kind=_name(label["kind"], "label.kind") if "kind" in label else None,
            numerals=_numerals(settings),
        )

    def with_constants(self, constants: AnyMapping[str, Any]) -> "Mapping":
        """A copy of this mapping with more constants; a constant fills a field that a record lacks."""
        changed = Mapping(constants={**self._constants, **constants})
        changed._fields = self._fields
        changed._timestamp_format = self._timestamp_format
        changed._label, changed._anomalous, changed._kind = self._label, self._anomalous, self._kind
        changed._numerals = self._numerals
        return changed

    def with_numerals(self, numerals: Numerals) -> "Mapping":
        """The same mapping for amounts that are written otherwise."""
        changed = copy(self)
        changed._numerals = numerals
        return changed

    @property
    def numbers_rows(self) -> bool:
        """Whether a field is to be a row's number."""
        return ROW_NUMBER in self._fields.values()

    def lacking(self, columns: list[str]) -> list[str]:
        """Our required fields that no record with these columns can have; empty when all can be had."""
        tops = {source for column in columns for source in (column, FLAT_NAMES.get(column, column))}
        return [
            name
            for name in REQUIRED
            if name not in self._constants
            and (
                (source := self._fields.get(name, name)) not in tops
                and not any(source.startswith(f"{top}.") for top in tops)
            )
        ]

    def translate(self, record: AnyMapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], GroundTruth | None]:
        """Our fields as a document of the wire's shape, the fields left over, and the ground truth if mapped.

        Raises: InvalidRecord for a value that cannot be what its field means.
        """
        rest = dict(record)
        found: dict[str, Any] = {}
        truth = self._truth(rest)
        taken = {source: _value_at(rest, source) for source in self._fields.values()}
        for source in taken:
            _remove(rest, source)
        for target, source in self._fields.items():
            if taken[source] is not _MISSING:
                found[target] = taken[source]
        extra: dict[str, Any] = {}
        for key, value in rest.items():
            ours = FLAT_NAMES.get(key)
            if ours is not None and ours not in found:
                found[ours] = value
            elif key in _NESTED and isinstance(value, dict):
                for name, inner in value.items():
                    dotted = f"{key}.{name}"
                    if name in _NESTED[key] and dotted not in found:
                        found[dotted] = inner
                    else:
                        extra[dotted] = inner
            elif key in _NESTED and value is None:
                continue
            elif key == "extra" and isinstance(value, dict):
                extra.update(value)
            elif value == value:
                extra[key] = value
            else:
                extra[key] = None
        document: dict[str, Any] = {}
        for target, value in found.items():
            if value is None or value == "" or value != value:
                continue
            self._place(document, target, value)
        for target, value in self._constants.items():
            group, _, name = target.rpartition(".")
            if name not in (document.get(group, {}) if group else document):
                self._place(document, target, value)
        return document, extra, truth

    def _place(self, document: dict[str, Any], target: str, value: Any) -> None:
        group, _, name = target.rpartition(".")
        if target == "amount":
            # repr is the shortest text that reads back as the same double: 75.81, not 75.8100000000000022; and
            # what a double adds beyond our decimals is its own noise (10.1 * 3 = 30.299999999999997).
            if isinstance(value, str):
                value = self._numerals.read(value)
            document[name] = Decimal(repr(round(value, MAX_DECIMALS))) if isinstance(value, float) else value
        elif target == "timestamp":
            document[name] = self._time(value)
        elif target == "currency":
            document[name] = value.strip().upper() if isinstance(value, str) else value
        elif name in ("latitude", "longitude"):
            document.setdefault(group, {})[name] = _number(target, value)
        elif group:
            document.setdefault(group, {})[name] = value if isinstance(value, str) else _text(value)
        else:
            document[name] = value if isinstance(value, str) else _text(value)

    def _time(self, value: Any) -> Any:
        """A number by the mapping's unit, a text by its pattern, and RFC 3339 whatever the mapping says."""
        form = self._timestamp_format
        if isinstance(value, datetime):
            return value
        try:
            if "%" in form:
                return datetime.strptime(str(value), form)
            if isinstance(value, str) and (form == "rfc3339" or not _is_number(value)):
                return value
            if form != "rfc3339":
                number = Decimal(repr(value) if isinstance(value, float) else value)
                unit = _unit_of(number) if form == "auto" else form
                return _EPOCH + timedelta(microseconds=int(number * (1_000_000 // _PER_SECOND[unit])))
        except (ValueError, ArithmeticError, TypeError):
            if isinstance(value, str) and _RFC3339.match(value):
                return value
            raise InvalidRecord(f"timestamp {quoted(value)} does not match timestamp_format {quoted(form)}") from None
        raise InvalidRecord(f"timestamp {quoted(value)} is a number; name its unit with timestamp_format in a mapping")

    def _truth(self, rest: dict[str, Any]) -> GroundTruth | None:
        if self._label is None:
            return None
        label = _value_at(rest, self._label)
        kind = _value_at(rest, self._kind) if self._kind else None
        _remove(rest, self._label)
        if self._kind:
            _remove(rest, self._kind)
        if label is _MISSING or label is None or label == "":
            return None
        if _label_text(label) not in self._anomalous:
            return GroundTruth(anomalous=False)
        named = kind is not None and kind is not _MISSING and kind != ""
        return GroundTruth(anomalous=True, kind=str(kind) if named else None)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _unit_of(number: Decimal) -> str:
    # Seconds reach 10^11 in the year 5138, milliseconds pass it in March 1973: the ranges do not meet.
    if abs(number) < 10**11:
        return "s"
    return "ms" if abs(number) < 10**14 else "us"


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal) and value == value.__trunc__():
        return str(value.__trunc__())
    return value


def _number(target: str, value: Any) -> Any:
    if isinstance(value, str | Decimal):
        try:
            return float(value)
        except ValueError:
            raise InvalidRecord(f"{target} {quoted(value)} is not a number") from None
    return value


def _label_text(value: Any) -> str:
    return str(_text(value)).strip().lower()


def _value_at(record: AnyMapping[str, Any], path: str) -> Any:
    if path in record:
        return record[path]
    head, dot, tail = path.partition(".")
    inner = record.get(head) if dot else None
    return _value_at(inner, tail) if isinstance(inner, dict) else _MISSING


def _remove(record: dict[str, Any], path: str) -> None:
    """Take a field out of `record`, copying the nested objects on its way and dropping those left empty."""
    if record.pop(path, _MISSING) is not _MISSING:
        return
    head, dot, tail = path.partition(".")
    inner = record.get(head) if dot else None
    if isinstance(inner, dict):
        record[head] = dict(inner)
        _remove(record[head], tail)
        if not record[head]:
            del record[head]


def _target(name: str, section: str) -> str:
    if name not in FLAT_NAMES:
        raise BadMapping(f"{section}.{name}: not a field of ours; they are {', '.join((*_PLAIN, *_DOTTED))}")
    return FLAT_NAMES[name]


def _only(table: AnyMapping[str, Any], allowed: tuple[str, ...], prefix: str) -> None:
    for key in table:
        if key not in allowed:
            raise BadMapping(f"{prefix}{key}: unknown key; expected one of {', '.join(allowed)}")


def _table(settings: AnyMapping[str, Any], key: str) -> AnyMapping[str, Any]:
    table = settings.get(key, {})
    if not isinstance(table, dict):
        raise BadMapping(f"{key}: expected a table, got {quoted(table)}")
    return table


def _name(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadMapping(f"{key}: expected a name in quotes, got {quoted(value)}")
    return value


def _numerals(settings: AnyMapping[str, Any]) -> Numerals:
    signs = {key: _name(settings[key], key) for key in ("decimal", "thousands") if key in settings}
    try:
        return Numerals.of(**signs)
    except ValueError as error:
        raise BadMapping(str(error)) from None


def _flattened(table: AnyMapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """TOML reads an unquoted `merchant.id = ...` as a nested table: give it back its dot."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat.update(_flattened(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
