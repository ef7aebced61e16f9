"""A mapping guessed from a sample: which field is which, in what unit, and what a sample does not show."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from domain.currency import CURRENCIES, alphabetic
from services.records import amounts
from services.records.labels import is_anomalous
from services.records.numerals import Numerals
from services.records.paths import is_absent, value_at
from services.records.timestamps import TimeFormat
from services.records.validation import InvalidRecord, quoted

_PATTERNS = (
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y%m%d%H%M%S",
    "%a, %d %b %Y %H:%M:%S %Z",
)
_NAMES = {
    "transaction_id": (
        "transaction_id",
        "trans_num",
        "transid",
        "txid",
        "tx_id",
        "transactionid",
        "trans_id",
        "transaction_number",
        "uuid",
        "id",
        "reference",
        "umsatznummer",
        "buchungsnummer",
    ),
    "user_id": (
        "user_id",
        "userid",
        "cc_num",
        "card",
        "card_id",
        "cardholder",
        "holder",
        "customer",
        "customer_id",
        "cust",
        "account_id",
        "account",
        "client",
        "user",
        "iban",
        "kundennummer",
        "kunde",
        "kontonummer",
    ),
    "amount": ("amount", "amt", "value", "total", "price", "debit", "betrag"),
    "currency": ("currency", "ccy", "currency_code", "cur"),
    "timestamp": (
        "timestamp",
        "time",
        "datetime",
        "created_at",
        "created",
        "event_time",
        "trans_date_trans_time",
        "occurred_at",
        "at",
        "ts",
        "date",
        "unix_time",
    ),
    "merchant.id": ("merchant_id", "shop_id"),
    "merchant.name": ("merchant_name", "merchant", "shop", "payee", "description"),
    "merchant.category": ("merchant_category", "category", "mcc"),
    "location.country": ("country", "country_code"),
    "location.city": ("city",),
    "location.latitude": ("latitude", "lat", "merch_lat"),
    "location.longitude": ("longitude", "long", "lon", "lng", "merch_long"),
    "payment_method": ("payment_method", "method"),
    "transaction_type": ("transaction_type", "type", "kind"),
    "device.id": ("device_id",),
    "device.ip": ("ip", "ip_address"),
}
_LABELS = ("is_fraud", "fraud", "label", "class", "isfraud", "anomalous")
REQUIRED = ("transaction_id", "user_id", "amount", "currency", "timestamp")
_DEEPEST = 6
_LABELS_SHOWN = 10
_DATE, _TIME = ("year", "month", "day"), ("time", "hour")
"""Fields that a date and its time are spread over; the second, if any, comes last."""


@dataclass
class Guess:
    """The parts of a mapping, and in words what the sample did not show. A time may be spread over several fields."""

    fields: dict[str, str] = field(default_factory=dict)
    spread: dict[str, tuple[str, ...]] = field(default_factory=dict)
    timestamp_format: str = "rfc3339"
    numerals: Numerals = field(default_factory=Numerals)
    left: list[str] = field(default_factory=list)
    label: str | None = None
    labels: list[str] = field(default_factory=list)
    """Values of the label of which none can be told whether they mean an anomaly."""
    notes: list[str] = field(default_factory=list)

    def toml(self, preset: str | None) -> str:
        """The mapping as a file to start from."""
        lines = [
            "# Guessed from a sample: check it against what you know of the source.",
            *(f"# {note}" for note in self.notes),
        ]
        if preset is not None:
            lines.append(f"preset = {_toml(preset)}")
        if self.timestamp_format != "rfc3339":
            lines.append(f"timestamp_format = {_toml(self.timestamp_format)}")
        if self.numerals != Numerals():
            lines += [f"decimal = {_toml(self.numerals.decimal)}", f"thousands = {_toml(self.numerals.thousands)}"]
        lines += ["", "[fields]", *(f"{_key(ours)} = {_toml(theirs)}" for ours, theirs in self.fields.items())]
        lines += [f"{_key(ours)} = [{', '.join(map(_toml, theirs))}]" for ours, theirs in self.spread.items()]
        if self.left:
            lines += ["# Not used yet; kept as they are:", *(f"# ... = {_toml(path)}" for path in self.left)]
        if "currency" not in self.fields:
            lines += ["", "[set]", '# currency = "EUR"']
        if self.label is not None:
            lines += ["", "[label]", f"field = {_toml(self.label)}"]
        if self.labels:
            lines.append(f"# anomalous = [{', '.join(map(_toml, self.labels))}]  # those that mean an anomaly")
        return "\n".join(lines) + "\n"


def guess(records: Sequence[dict[str, Any]]) -> Guess:
    """A mapping for records such as these."""
    found = Guess()
    paths = {path: None for record in records for path in _paths(record)}
    values = {path: [value for record in records if not is_absent(value := value_at(record, path))] for path in paths}
    formats = {path: form for path, held in values.items() if (form := _time_format(held)) is not None}
    fits: dict[str, Callable[[str], bool]] = {
        "amount": lambda path: _numerals(values[path]) is not None,
        "currency": lambda path: _all(values[path], _is_currency),
        "timestamp": lambda path: path in formats,
    }
    for ours, names in _NAMES.items():
        candidates = [path for path in paths if path not in found.fields.values() and fits.get(ours, _anything)(path)]
        named = sorted(
            (path for path in candidates if _rank(path, names) is not None),
            key=lambda path: (_rank(path, names), len(path)),
        )
        chosen = named or (
            [path for path in candidates if ours in fits and ours != "amount"] if ours in REQUIRED else []
        )
        if ours == "timestamp" and not named:
            # Card numbers and other long ids read as an epoch as well: a written date is the surer one.
            chosen.sort(key=lambda path: formats[path] == "auto")
        if chosen:
            found.fields[ours] = chosen[0]
            if ours in REQUIRED and len(named) > 1 and _rank(named[0], names) == _rank(named[1], names):
                found.notes.append(f"{ours} may also be {', '.join(map(quoted, named[1:4]))}.")
        elif ours == "timestamp" and (parts := _date_parts(paths)):
            found.spread[ours] = parts
        elif ours in REQUIRED and ours != "currency":
            found.notes.append(f"No field looks like {ours}: name it in [fields].")
            if ours == "transaction_id":
                found.notes.append('For a file, transaction_id = "#" takes the number of the line.')
    _time_notes(found, formats)
    if "currency" not in found.fields:
        found.notes.append("No field holds a currency: name the one of all records in [set].")
    if "amount" in found.fields:
        _amount_notes(found, values[found.fields["amount"]])
    used = {*found.fields.values(), *(path for parts in found.spread.values() for path in parts)}
    found.label = next((path for path in paths if _rank(path, _LABELS) is not None), None)
    found.left = [path for path in paths if path not in used and path != found.label]
    ids = values.get(found.fields.get("transaction_id", ""), [])
    if len(set(map(str, ids))) < len(ids):
        found.notes.append("The field for transaction_id holds the same value more than once: is it the right one?")
    if found.label is not None:
        found.labels = _unknown_labels(values[found.label])
    if found.labels:
        found.notes.append("Name the labels that mean an anomaly in [label].")
    return found


def _unknown_labels(values: Iterable[Any]) -> list[str]:
    return [*dict.fromkeys(str(value) for value in values if is_anomalous(value) is None)][:_LABELS_SHOWN]


def _paths(value: Any, prefix: str = "", depth: int = 0) -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in items:
        path = f"{prefix}{key}"
        if isinstance(inner, dict | list) and depth < _DEEPEST:
            yield from _paths(inner, f"{path}.", depth + 1)
        else:
            yield path


def _rank(path: str, names: tuple[str, ...]) -> int | None:
    """How near a path's last name is to the usual ones: its place among them, none when it is none of them."""
    whole, leaf = (re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") for text in (path, path.rpartition(".")[2]))
    return next((place for place, name in enumerate(names) if name in (whole, leaf)), None)


def _date_parts(paths: Iterable[str]) -> tuple[str, ...]:
    """The fields that hold year, month and day, and that of the time if there is one; none where one is missing."""
    parts = [next((path for path in paths if _rank(path, (name,)) is not None), None) for name in _DATE]
    at = next((path for path in paths if _rank(path, _TIME) is not None), None)
    date = tuple(part for part in parts if part is not None)
    return (*date, *([at] if at is not None else [])) if len(date) == len(_DATE) else ()


def _time_format(values: list[Any]) -> str | None:
    for form in ("rfc3339", "auto", *_PATTERNS):
        if form == "auto" and not all(_is_epoch(value) for value in values):
            continue
        times = TimeFormat(form)
        if values and all(_reads(times, value) for value in values):
            return form
    return None


def _time_notes(found: Guess, formats: dict[str, str]) -> None:
    path = found.fields.get("timestamp")
    if path is None:
        return
    form = found.timestamp_format = formats[path]
    swapped = form.replace("%d", "%x").replace("%m", "%d").replace("%x", "%m")
    if "%" in form and swapped in _PATTERNS and swapped != form:
        found.notes.append("Day and month of timestamp could be the other way round where no day is above 12.")
    if "%" in form and "%Z" not in form:
        found.notes.append('Its times name no zone and count as UTC: timestamp_zone = "Europe/London" names another.')


def _amount_notes(found: Guess, held: list[Any]) -> None:
    found.numerals = _numerals(held) or Numerals()
    if all(isinstance(value, int) for value in held):
        found.notes.append('Every amount is a whole number: if they are cents, add amount_unit = "minor".')
    if held and all(_read(found.numerals, value) < 0 for value in held):
        found.notes.append("Every amount is negative: here spending is positive.")


def _all(values: list[Any], test: Callable[[Any], bool]) -> bool:
    return bool(values) and all(map(test, values))


def _anything(path: str) -> bool:
    return True


def _reads(times: TimeFormat, value: Any) -> bool:
    try:
        return 1990 <= times.read(value).at.year <= 2100
    except InvalidRecord:
        return False


def _is_epoch(value: Any) -> bool:
    return _is_amount(value) and amounts.number(value) > 10**8


def _is_amount(value: Any) -> bool:
    try:
        return amounts.number(value).is_finite()
    except InvalidRecord:
        return False


def _numerals(values: list[Any]) -> Numerals | None:
    """How these amounts are written; None where they are none."""
    for numerals in (Numerals(), Numerals(".", ","), Numerals(",", "."), Numerals(",", " "), Numerals(".", "'")):
        with suppress(InvalidRecord):
            if values and all(_read(numerals, value).is_finite() for value in values):
                return numerals
    return None


def _read(numerals: Numerals, value: Any) -> Decimal:
    return numerals.read(value) if isinstance(value, str) else amounts.number(value)


def _is_currency(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and alphabetic(str(value)) in CURRENCIES


def _key(path: str) -> str:
    return _toml(path) if "." in path else path


def _toml(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c for c in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'
