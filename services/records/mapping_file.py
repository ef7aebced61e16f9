"""The keys of a mapping, in a TOML file or in the section `[mapping]` of the configuration file.

    preset = "debezium"                # or cloudevents: the envelope around the record
    timestamp_format = "ms"            # rfc3339 (default), s, ms, us, ns, auto, or a strptime pattern with %
    timestamp_zone = "Europe/London"   # of times that name no zone; else they are UTC
    amount_unit = "minor"              # amounts are in cents, or what the currency's minor unit is
    decimal = ","                      # how amounts are written in texts: 1.234,56
    thousands = "."

    [fields]                           # ours = theirs; dots go into nested objects, numbers into lists
    transaction_id = "trans_num"
    amount = "payload.legs.0.amt"
    "merchant.id" = "payload.shop"

    [set]                              # for what the source lacks
    currency = "USD"

    [label]                            # ground truth, kept away from the detectors
    field = "is_fraud"
    anomalous = ["S1", "S2"]           # every other is ordinary; without it 1, true, yes, fraud and their opposites
    kind = "scenario"

A time in several fields is a list, `timestamp = ["Year", "Month", "Day", "Time"]`. Amounts without a sign are
`amount = {debit = "Out", credit = "In"}` or `amount = {field = "Amount", sign = "Type", credit = ["CR"]}`; money
back is negative. `transaction_id = "#"` is the number of the row in a file.
"""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from domain.transaction import COLUMNS, GroundTruth
from services.errors import UserError
from services.records.amounts import DebitAndCredit, Signed
from services.records.labels import UNKNOWN_LABEL, is_anomalous, label_text
from services.records.numerals import Numerals
from services.records.paths import is_absent
from services.records.presets import PRESETS
from services.records.timestamps import FORMATS, TimeFormat
from services.records.validation import quoted

ROW_NUMBER = "#"
_SECTIONS = (
    "fields",
    "set",
    "label",
    "preset",
    "timestamp_format",
    "timestamp_zone",
    "amount_unit",
    "decimal",
    "thousands",
)
_FIELD_NAMES = {name for column in COLUMNS for name in (column.path, column.path.partition(".")[0])}
_LABEL_KEYS = ("field", "anomalous", "kind")
_AMOUNT_KEYS = "{debit, credit} or {field, sign, credit}"


class BadMapping(UserError):
    """A mapping that cannot be used; the message is one line that names the key."""


class Label(NamedTuple):
    """Where ground truth is in a record, and which values of it mean an anomaly; None stands for the usual ones."""

    field: str
    anomalous: frozenset[str] | None
    kind: str | None

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields that are kept away from the detectors."""
        return (self.field,) if self.kind is None else (self.field, self.kind)

    def truth(self, find: Callable[[str], Any]) -> tuple[GroundTruth | None, tuple[str, ...]]:
        """The ground truth of a record, None where its label is empty or unknown, and the remarks to make on it."""
        value = find(self.field)
        if is_absent(value):
            return None, ()
        anomalous = is_anomalous(value) if self.anomalous is None else label_text(value) in self.anomalous
        if anomalous is None:
            return None, (UNKNOWN_LABEL,)
        kind = find(self.kind) if anomalous and self.kind is not None else None
        return GroundTruth(anomalous, None if is_absent(kind) else str(kind)), ()


def settings_of(path: Path) -> dict[str, Any]:
    """The keys in a TOML file. Raises: BadMapping for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadMapping(f"{path}: {why}") from None


def options(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of a mapping with these keys; `names` are our fields and their paths. Raises: BadMapping."""
    _only(settings, _SECTIONS, "")
    fields = dict(_table(settings, "fields"))
    amount = _amount(fields.pop("amount")) if "amount" in fields else None
    timestamp = fields.pop("timestamp", None)
    plain = {
        _target(name, "fields", names): _name(source, f"fields.{name}") for name, source in _flattened(fields).items()
    }
    if isinstance(amount, str):
        plain["amount"] = amount
    if isinstance(timestamp, list):
        timestamp = tuple(_name(part, "fields.timestamp") for part in timestamp)
        if not timestamp:
            raise BadMapping("fields.timestamp: the list is empty; name the fields of date and time")
    elif timestamp is not None:
        plain["timestamp"] = _name(timestamp, "fields.timestamp")
    return {
        "fields": plain,
        "amount": None if isinstance(amount, str) else amount,
        "timestamp": timestamp if isinstance(timestamp, tuple) else (),
        "constants": {
            _target(name, "set", names): value for name, value in _flattened(_table(settings, "set")).items()
        },
        "times": _times(settings),
        "numerals": _numerals(settings),
        "minor_units": _choice(settings, "amount_unit", ("major", "minor")) == "minor",
        "label": _label(_table(settings, "label")),
        "preset": _choice(settings, "preset", tuple(PRESETS)),
    }


def _amount(source: Any) -> str | DebitAndCredit | Signed:
    if isinstance(source, str) and source:
        leaf = source.rpartition(".")[2]
        if leaf.lower() != "debit":
            return source
        # Where there is a debit column its other half is beside it: `Debit` and `Credit`, `DEBIT` and `CREDIT`.
        credit = "CREDIT" if leaf.isupper() else "Credit" if leaf[0].isupper() else "credit"
        return DebitAndCredit(source, source.removesuffix(leaf) + credit)
    if not isinstance(source, dict):
        raise BadMapping(f"fields.amount: expected a name in quotes or {_AMOUNT_KEYS}, got {quoted(source)}")
    if source.keys() == {"debit", "credit"}:
        return DebitAndCredit(*(_name(source[key], f"fields.amount.{key}") for key in ("debit", "credit")))
    if source.keys() == {"field", "sign", "credit"}:
        words = source["credit"] if isinstance(source["credit"], list) else [source["credit"]]
        return Signed(
            _name(source["field"], "fields.amount.field"),
            _name(source["sign"], "fields.amount.sign"),
            tuple(str(word).strip().casefold() for word in words),
        )
    raise BadMapping(f"fields.amount: expected a name in quotes or {_AMOUNT_KEYS}, got {quoted(source)}")


def _times(settings: Mapping[str, Any]) -> TimeFormat:
    form = _name(settings.get("timestamp_format", "rfc3339"), "timestamp_format")
    if form not in FORMATS and "%" not in form:
        raise BadMapping(f"timestamp_format: {quoted(form)} is none of {', '.join(FORMATS)}, nor a % pattern")
    if "timestamp_zone" not in settings:
        return TimeFormat(form)
    zone = _name(settings["timestamp_zone"], "timestamp_zone")
    if zone not in available_timezones():
        raise BadMapping(f"timestamp_zone: {quoted(zone)} is no time zone; write one such as Europe/London")
    return TimeFormat(form, ZoneInfo(zone))


def _numerals(settings: Mapping[str, Any]) -> Numerals:
    signs = {key: _name(settings[key], key) for key in ("decimal", "thousands") if key in settings}
    try:
        return Numerals.of(**signs)
    except ValueError as error:
        raise BadMapping(str(error)) from None


def _label(label: Mapping[str, Any]) -> Label | None:
    _only(label, _LABEL_KEYS, "label.")
    if not label:
        return None
    if "field" not in label:
        raise BadMapping("label.field: missing; it names the field that holds the label")
    named = label.get("anomalous", [])
    values = named if isinstance(named, list) else [named]
    kind = _name(label["kind"], "label.kind") if "kind" in label else None
    anomalous = frozenset(map(label_text, values)) if "anomalous" in label else None
    return Label(_name(label["field"], "label.field"), anomalous, kind)


def _target(name: str, section: str, names: Mapping[str, str]) -> str:
    if name not in names:
        raise BadMapping(
            f"{section}.{name}: not a field of ours; they are {', '.join(column.path for column in COLUMNS)}"
        )
    return names[name]


def _only(table: Mapping[str, Any], allowed: tuple[str, ...], prefix: str) -> None:
    for key in table:
        if key not in allowed:
            hint = f"; write it under [fields]: {key} = ..." if not prefix and key in _FIELD_NAMES else ""
            raise BadMapping(f"{prefix}{key}: unknown key; expected one of {', '.join(allowed)}{hint}")


def _table(settings: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = settings.get(key, {})
    if not isinstance(table, dict):
        raise BadMapping(f"{key}: expected a table, got {quoted(table)}")
    return table


def _choice(settings: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str | None:
    value = settings.get(key)
    if value is None or (isinstance(value, str) and value in allowed):
        return value
    raise BadMapping(f"{key}: {quoted(value)} is none of {', '.join(allowed)}")


def _name(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadMapping(f"{key}: expected a name in quotes, got {quoted(value)}")
    return value


def _flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """TOML reads an unquoted `merchant.id = ...` as a nested table: give it back its dot."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat.update(_flattened(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
