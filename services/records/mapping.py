"""Foreign records in our words: names, nesting, units, zones, integer ids, constants, envelopes and labels.

A mapping is a TOML file, or the section `[mapping]` of the configuration file; `mapping_file.py` has its keys.
"""

from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from domain import currency
from domain.transaction import COLUMNS, GROUPS, GroundTruth
from services.records import amounts
from services.records.amounts import DebitAndCredit, Signed
from services.records.mapping_file import ROW_NUMBER, BadMapping, Label, options, settings_of
from services.records.numerals import Numerals
from services.records.paths import MISSING, is_absent, value_at, without
from services.records.presets import PRESETS, Headers, Unwrapped
from services.records.registry import SchemaRegistry
from services.records.timestamps import TimeFormat, joined
from services.records.validation import InvalidRecord, described, quoted

__all__ = ["BadMapping", "Mapping", "Translation"]

REQUIRED = ("transaction_id", "user_id", "amount", "currency", "timestamp")
FLAT_NAMES = {**{column.path: column.path for column in COLUMNS}, **{column.name: column.path for column in COLUMNS}}
"""Every name a flat record may use for a field, to the field's path."""
FLAT_NAMES |= {f"location_{name}": f"location.{name}" for name in GROUPS["location"]} | {"ip": "device.ip"}

MOST_DIGITS = 64

_NO_HEADERS: Headers = {}


class Translation(NamedTuple):
    """A foreign record as a document of the wire's shape; `extra` is what has no name of ours.

    `updated` says that the source changed a row that may be stored already; `remarks` are what had to be decided.
    """

    document: dict[str, Any]
    extra: dict[str, Any]
    truth: GroundTruth | None
    updated: bool
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Mapping:
    """Turns one foreign record into our fields. `Mapping()` only reads flat names and types loosely.

    Under any mapping integers become text where text is meant, numeric text becomes a number where a number
    is meant, an empty text or NaN is a missing field, and a currency may be in lower case or a number. Records that
    are already ours read as they are, so that a replay may share a topic with the producer that the mapping is for.
    """

    fields: dict[str, str] = field(default_factory=dict)
    amount: DebitAndCredit | Signed | None = None
    timestamp: tuple[str, ...] = ()
    constants: dict[str, Any] = field(default_factory=dict)
    times: TimeFormat = field(default_factory=TimeFormat)
    numerals: Numerals = field(default_factory=Numerals)
    minor_units: bool = False
    label: Label | None = None
    preset: str | None = None
    registry: SchemaRegistry | None = None

    @classmethod
    def load(cls, path: Path) -> "Mapping":
        """The mapping of a TOML file. Raises: BadMapping, also for a file that cannot be read."""
        settings = settings_of(path)
        try:
            return cls.from_dict(settings)
        except BadMapping as error:
            raise BadMapping(f"{path}: {error}") from None

    @classmethod
    def from_dict(cls, settings: AnyMapping[str, Any]) -> "Mapping":
        """The mapping of a configuration section. Raises: BadMapping."""
        return cls(**options(settings, FLAT_NAMES))

    def with_constants(self, constants: AnyMapping[str, Any]) -> "Mapping":
        """The same mapping with more constants; a constant fills a field that a record lacks. Raises: BadMapping."""
        more = options({"set": constants}, FLAT_NAMES)["constants"]
        return replace(self, constants={**self.constants, **more})

    def with_numerals(self, numerals: Numerals) -> "Mapping":
        """The same mapping for amounts that are written otherwise."""
        return replace(self, numerals=numerals)

    def with_preset(self, name: str) -> "Mapping":
        """The same mapping within an envelope of this name. Raises: BadMapping."""
        return replace(self, preset=options({"preset": name}, FLAT_NAMES)["preset"])

    def with_registry(self, registry: SchemaRegistry) -> "Mapping":
        """The same mapping for records that a schema registry describes."""
        return replace(self, registry=registry)

    def lacking(self, columns: list[str]) -> list[str]:
        """Our required fields that no record with these columns can have; empty when all can be had."""
        tops = {source for column in columns for source in (column, FLAT_NAMES.get(column, column))}

        def there(source: str) -> bool:
            return source in tops or source == ROW_NUMBER or any(source.startswith(f"{top}.") for top in tops)

        sources: dict[str, tuple[str, ...]] = {name: (self.fields.get(name, name),) for name in REQUIRED}
        if self.amount is not None:
            # A debit is enough where there is no credit, and an amount where it has no sign.
            sources["amount"] = self.amount.paths[:1]
        if self.timestamp:
            sources["timestamp"] = self.timestamp
        return [
            name
            for name in REQUIRED
            if name not in self.constants and self.preset is None and not all(map(there, sources[name]))
        ]

    def translate(
        self, record: dict[str, Any], headers: Headers = _NO_HEADERS, number: str | None = None
    ) -> Translation:
        """Our fields as a document of the wire's shape, with all that is left over.

        `number` is the record's row in a file. Raises: Skipped; InvalidRecord for a value that cannot be what its
        field means.
        """
        preset = PRESETS[self.preset] if self.preset is not None else None
        opened = Unwrapped(record, {}) if preset is None else preset.unwrap(record, headers)
        rest = opened.row

        def find(path: str) -> Any:
            value = value_at(opened.row, preset.inside(path) if preset else path)
            if value is MISSING and path == ROW_NUMBER and number is not None:
                return number
            return value_at(opened.envelope, path) if value is MISSING and opened.envelope else value

        truth, doubts = self.label.truth(find) if self.label else (None, ())
        found = self._mapped(find)
        # A record of ours on the same topic has its amount under our name, in whole currency.
        minor = self.minor_units and ("amount" in found or not (self.amount or "amount" in self.fields))
        for path in self._paths:
            rest = without(rest, preset.inside(path) if preset else path)
            if rest is MISSING:
                rest = {}
        extra = _sorted_out(rest, found)
        document, remarks = self._document(found, minor=minor)
        remarks += (*doubts, *self._doubts(find, found, document["currency"]))
        return Translation(document, extra, truth, opened.updated, remarks)

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        label = () if self.label is None else self.label.paths
        return (*self.fields.values(), *(self.amount.paths if self.amount else ()), *self.timestamp, *label)

    def _mapped(self, find: Callable[[str], Any]) -> dict[str, Any]:
        """What the mapping names, by our paths, as the source has it."""
        found = {target: value for target, source in self.fields.items() if (value := find(source)) is not MISSING}
        if self.amount is not None and (amount := self.amount.of(find, self._number)) is not MISSING:
            found["amount"] = amount
        if self.timestamp:
            parts = [find(source) for source in self.timestamp]
            lacking = [name for name, part in zip(self.timestamp, parts, strict=True) if is_absent(part)]
            if not lacking:
                found["timestamp"] = joined(parts, self.times.form)
            elif len(lacking) < len(parts):
                raise InvalidRecord(f"timestamp lacks its part {quoted(lacking[0])}")
        return found

    def _document(self, found: dict[str, Any], *, minor: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Values by our paths as a nested document of our types, with the remarks made on the way."""
        document: dict[str, Any] = {}
        remarks: tuple[str, ...] = ()
        for target, value in (*found.items(), *self.constants.items()):
            group, _, name = target.rpartition(".")
            holder = document.setdefault(group, {}) if group else document
            if is_absent(value) or name in holder:
                continue
            if target == "timestamp":
                holder[name], remark = self.times.read(value)
                remarks = () if remark is None else (remark,)
            elif target == "amount":
                holder[name] = self._amount(value)
            else:
                holder[name] = _typed(target, name, value)
        for name in REQUIRED:
            if name not in document:
                value = found.get(name, MISSING)
                raise InvalidRecord(f"{name} is {'null' if value is None else 'empty' if value == '' else 'missing'}")
        if minor:
            document["amount"] = amounts.from_minor_units(document["amount"], document["currency"])
        return document, remarks

    def _doubts(self, find: Callable[[str], Any], found: dict[str, Any], code: Any) -> tuple[str, ...]:
        """The remarks to make on the amount. Raises: InvalidRecord where it is of another currency."""
        values = [found.get("amount")] if self.amount is None else [find(path) for path in self.amount.paths]
        for value in values:
            amounts.check_sign(value, code)
        doubts: tuple[str, ...] = ()
        if self.amount is not None and "amount" in found and self.amount.signed_twice(find, self._number):
            doubts = (amounts.SIGNED_TWICE,)
        if self.numerals == Numerals() and any(amounts.has_maybe_thousands(value, code) for value in values):
            doubts = (*doubts, amounts.THREE_DECIMALS)
        return doubts

    def _amount(self, value: Any) -> Decimal:
        if self.preset == "debezium" and amounts.looks_binary(value):
            raise InvalidRecord(
                f"amount {quoted(value)} looks like a decimal in base64, and the record does not say its scale: send "
                "the schema too, or set decimal.handling.mode to string at the connector"
            )
        return self._number(value)

    def _number(self, value: Any) -> Decimal:
        return self.numerals.read(value) if isinstance(value, str) else amounts.number(value)


def _sorted_out(rest: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Add to `found` what has a name of ours; answers what has none."""
    extra: dict[str, Any] = {}
    for key, value in rest.items():
        ours = FLAT_NAMES.get(key)
        if ours is not None and ours not in found:
            found[ours] = value
        elif key in GROUPS and isinstance(value, dict):
            for name, inner in value.items():
                dotted = f"{key}.{name}"
                if name in GROUPS[key] and dotted not in found:
                    found[dotted] = inner
                else:
                    extra[dotted] = inner
        elif key in GROUPS and isinstance(value, list):
            raise InvalidRecord(f"{key} is {described(value)}, not an object")
        elif key in GROUPS and value is None:
            continue
        elif key == "extra" and isinstance(value, dict):
            extra.update(value)
        else:
            extra[key] = None if value != value else value
    return extra


def _typed(target: str, name: str, value: Any) -> Any:
    """A value as the type of its field. Raises: InvalidRecord."""
    if name in ("latitude", "longitude"):
        if isinstance(value, str) and "." not in value:
            # Degrees have no thousands: a comma can only be the decimal one.
            value = value.replace(",", ".", 1)
        return float(amounts.number(value, target, "a number of degrees"))
    if isinstance(value, str):
        return currency.alphabetic(value) if target == "currency" else value
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < MOST_DIGITS and value == int(value):
        value = int(value)
    if isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        return currency.alphabetic(str(value)) if target == "currency" else str(value)
    raise InvalidRecord(f"{target} is {described(value)}, not a text")
