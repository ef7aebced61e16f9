"""What makes a record a valid transaction, and the sentence an analyst reads when it is not one."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec

from domain.currency import CURRENCIES, IN_FORCE, NO_CURRENCY, withdrawn
from domain.transaction import MAX_AMOUNT, MAX_DECIMALS, MAX_TEXT, Transaction
from domain.values import Values

MAX_ID = 256
MAX_EXTRA = 65_536
MAX_DEPTH = 32
MAX_INTEGER = 2**63
FIRST_YEAR, LAST_YEAR = 1970, 2200
OLDEST = timedelta(days=7)
NEWEST = timedelta(minutes=5)

_QUANTUM = Decimal(1).scaleb(-MAX_DECIMALS)
_UNIT = Decimal(1)
_LEAST_AMOUNT = -MAX_AMOUNT
_LONGEST_AGO = -OLDEST
_PLAIN = re.compile(r"{0}(?:\n{0})*".format(r"-?[0-9]{1,15}(?:\.[0-9]{1,8})?"), re.ASCII)
"""Amounts, a line each, that are far from the limits and in plain notation."""


class InvalidRecord(ValueError):
    """A record that cannot become a transaction; `reason` is one sentence that names the field."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Skipped(InvalidRecord):
    """A record that stands for no transaction and is none of a wrong kind; `kind` is what it is counted as."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def quoted(value: object, limit: int = 40) -> str:
    """`value` as a short literal that is safe to store and to show: control characters are escaped."""
    if isinstance(value, str):
        text = ascii(value[: limit + 1])
    elif value is None or isinstance(value, bool | list | dict):
        try:
            text = ascii(msgspec.json.encode(value)[: limit + 1].decode(errors="replace"))[1:-1]
        except (TypeError, ValueError, OverflowError, RecursionError):
            text = "..."
    else:
        text = ascii(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def described(value: object) -> str:
    """A value with the kind of thing it is: the text 'ten', the number 5, the list [1,2], null, true."""
    if value is None or isinstance(value, bool):
        return quoted(value)
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, int | float | Decimal):
        return f"the number {quoted(str(value))[1:-1]}"
    kind = "object" if isinstance(value, dict) else type(value).__name__
    return f"the {kind} {quoted(value)}"


def validated(transaction: Transaction, texts: bool = True) -> Transaction:
    """The transaction with its time in UTC and its amount in plain notation, after every check of its values.

    `texts=False` leaves out the scan for NUL, lone surrogates and length, for callers whose payload cannot hold
    any. Raises: InvalidRecord.
    """
    if not 0 < len(transaction.transaction_id) <= MAX_ID or transaction.transaction_id.isspace():
        raise _wrong_id("transaction_id", transaction.transaction_id)
    if not 0 < len(transaction.user_id) <= MAX_ID or transaction.user_id.isspace():
        raise _wrong_id("user_id", transaction.user_id)
    if (merchant := transaction.merchant.id) is not None and len(merchant) > MAX_ID:
        raise _wrong_id("merchant.id", merchant)
    if (device := transaction.device.id) is not None and len(device) > MAX_ID:
        raise _wrong_id("device.id", device)
    if transaction.currency not in IN_FORCE:
        _check_currency(transaction)
    place = transaction.location
    if place.latitude is not None and not -90 <= place.latitude <= 90:
        raise InvalidRecord(f"location.latitude {place.latitude!r} is outside -90..90 degrees")
    if place.longitude is not None and not -180 <= place.longitude <= 180:
        raise InvalidRecord(f"location.longitude {place.longitude!r} is outside -180..180 degrees")
    if not FIRST_YEAR <= transaction.timestamp.year <= LAST_YEAR:
        raise InvalidRecord(f"timestamp is in the year {transaction.timestamp.year}, outside {FIRST_YEAR}..{LAST_YEAR}")
    if texts:
        for name, text in _texts(transaction):
            check_text(name, text)
    if transaction.timestamp.tzinfo is not UTC:
        transaction = transaction.as_utc()
    amount = _plain(transaction.amount)
    return transaction if amount is transaction.amount else msgspec.structs.replace(transaction, amount=amount)


def are_valid(values: Values) -> bool:
    """Whether `validated`, without its look at texts, gives back as they are the transactions that these are values of.

    There is at least one. Column by column, which takes a third of the time. Where it is False, one of them may still
    be valid.
    """
    ids, others = (values["transaction_id"], values["user_id"]), (values["merchant.id"], values["device.id"])
    if any(max(map(len, filter(None, names)), default=0) > MAX_ID for names in (*ids, *others)):
        return False
    if any("" in names or any(map(str.isspace, names)) for names in ids):
        return False
    if not IN_FORCE.issuperset(values["currency"]):
        return False
    latitudes = [latitude or 0.0 for latitude in values["location.latitude"]]
    longitudes = [longitude or 0.0 for longitude in values["location.longitude"]]
    if not (-90 <= min(latitudes) <= max(latitudes) <= 90 and -180 <= min(longitudes) <= max(longitudes) <= 180):
        return False
    times = values["timestamp"]
    if any(time.tzinfo is not UTC for time in times):
        return False
    if not FIRST_YEAR <= min(times).year <= max(times).year <= LAST_YEAR:
        return False
    return _PLAIN.fullmatch("\n".join(map(str, values["amount"]))) is not None


def check_clock(transaction: Transaction, now: datetime) -> None:
    """Raise InvalidRecord for an event outside [now - 7 days, now + 5 minutes]; `now` has a zone."""
    ahead = transaction.timestamp - now
    if ahead > NEWEST:
        raise InvalidRecord(f"timestamp is {_duration(ahead)} ahead of the clock; at most 5 minutes are accepted")
    if ahead < _LONGEST_AGO:
        raise InvalidRecord(f"timestamp is {_duration(-ahead)} old; at most 7 days are accepted")


def check_text(name: str, text: str) -> None:
    """Raise InvalidRecord for what PostgreSQL cannot keep as text, and for a text that is too long."""
    if len(text) > MAX_TEXT:
        raise InvalidRecord(f"{name} has {len(text):,} characters; at most {MAX_TEXT:,} are accepted")
    if "\0" in text:
        raise InvalidRecord(f"{name} contains the character U+0000 (NUL)")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidRecord(f"{name} is not valid Unicode (a lone surrogate or a broken byte)") from None


def checked_extra(extra: dict[str, Any]) -> dict[str, Any] | None:
    """Fields without a name of ours, as values that JSON and `jsonb` can keep; None when there are none.

    Decimals become floats, the numbers of JSON. Raises: InvalidRecord for a value that cannot be kept or when
    all of them take more than 64 KiB.
    """
    if not extra:
        return None
    kept: dict[str, Any] = _json_value("extra", extra, 0)
    size = len(msgspec.json.encode(kept))
    if size > MAX_EXTRA:
        raise InvalidRecord(f"the unknown fields take {size:,} bytes; at most {MAX_EXTRA:,} are accepted")
    return kept


def _wrong_id(name: str, text: str) -> InvalidRecord:
    if len(text) > MAX_ID:
        return InvalidRecord(f"{name} has {len(text):,} characters; at most {MAX_ID} are accepted")
    return InvalidRecord(f"{name} is empty")


def _check_currency(transaction: Transaction) -> None:
    code = transaction.currency
    if code in NO_CURRENCY:
        raise InvalidRecord(f"currency {code} is {NO_CURRENCY[code]}")
    if code not in CURRENCIES:
        raise InvalidRecord(f"currency {quoted(code)} is not an ISO 4217 code")
    end = withdrawn(code)
    if end is not None and transaction.timestamp.date() >= end:
        raise InvalidRecord(f"currency {code} was withdrawn on {end}, before this transaction")


def _texts(transaction: Transaction) -> Iterator[tuple[str, str]]:
    for name in ("transaction_id", "user_id", "transaction_type", "payment_method"):
        if (text := getattr(transaction, name)) is not None:
            yield name, text
    for group in ("location", "merchant", "device"):
        part = getattr(transaction, group)
        for name in part.__struct_fields__:
            if isinstance(text := getattr(part, name), str):
                yield f"{group}.{name}", text


def _plain(amount: Decimal) -> Decimal:
    if not amount.is_finite():
        raise InvalidRecord("amount is not a finite number")
    if not _LEAST_AMOUNT <= amount <= MAX_AMOUNT:
        raise InvalidRecord("amount is beyond 10^15")
    exponent = amount.as_tuple()[2]
    assert isinstance(exponent, int)
    if -MAX_DECIMALS <= exponent <= 0:
        return amount
    # 1E+3 and 2.500000000 name amounts that fit: only the notation is unusual.
    plain = amount.quantize(_UNIT if exponent > 0 else _QUANTUM)
    if plain != amount:
        raise InvalidRecord(f"amount has more than {MAX_DECIMALS} decimals")
    return plain


def _json_value(name: str, value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise InvalidRecord(f"{quoted(name)} is nested more than {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        check_text(quoted(name), value)
        return value
    if isinstance(value, int):
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            raise InvalidRecord(f"{quoted(name)} is a number of 2^63 or beyond")
        return value
    if isinstance(value, float | Decimal):
        number = float(value)
        if not isfinite(number) or abs(number) >= MAX_INTEGER:
            raise InvalidRecord(f"{quoted(name)} is a number of 2^63 or beyond, or not a number")
        return number
    if isinstance(value, list | tuple):
        return [_json_value(name, item, depth + 1) for item in value]
    if isinstance(value, dict):
        for key in value:
            check_text("a field name", key)
        return {key: _json_value(key, item, depth + 1) for key, item in value.items()}
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID | timedelta):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise InvalidRecord(f"{quoted(name)} holds a value of type {type(value).__name__}, which JSON cannot keep")


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:,} {unit}"
    return f"{seconds} seconds"
