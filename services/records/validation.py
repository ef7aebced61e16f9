"""What makes a record a valid transaction, and the sentence an analyst reads when it is not one."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec

from domain.currency import CURRENCIES
from domain.transaction import MAX_AMOUNT, MAX_DECIMALS, MAX_TEXT, Transaction

MAX_ID = 256
MAX_EXTRA = 65_536
MAX_DEPTH = 32
MAX_INTEGER = 2**63
FIRST_YEAR, LAST_YEAR = 1970, 2200
OLDEST = timedelta(days=7)
NEWEST = timedelta(minutes=5)

_QUANTUM = Decimal(1).scaleb(-MAX_DECIMALS)
_UNIT = Decimal(1)


class InvalidRecord(ValueError):
    """A record that cannot become a transaction; `reason` is one sentence that names the field."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def quoted(value: object, limit: int = 40) -> str:
    """`value` as a short literal that is safe to store and to show: control characters are escaped."""
    text = ascii(value[: limit + 1] if isinstance(value, str) else value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def validated(transaction: Transaction, texts: bool = True) -> Transaction:
    """The transaction with its time in UTC and its amount in plain notation, after every check of its values.

    `texts=False` leaves out the scan for NUL, lone surrogates and length, for callers whose payload cannot hold
    any. Raises: InvalidRecord.
    """
    _check_id("transaction_id", transaction.transaction_id)
    _check_id("user_id", transaction.user_id)
    if transaction.merchant.id is not None and len(transaction.merchant.id) > MAX_ID:
        _check_id("merchant.id", transaction.merchant.id)
    if transaction.device.id is not None and len(transaction.device.id) > MAX_ID:
        _check_id("device.id", transaction.device.id)
    if transaction.currency not in CURRENCIES:
        raise InvalidRecord(f"currency {quoted(transaction.currency)} is not an ISO 4217 code")
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


def check_clock(transaction: Transaction, now: datetime) -> None:
    """Raise InvalidRecord for an event outside [now - 7 days, now + 5 minutes]; `now` has a zone."""
    ahead = transaction.timestamp - now
    if ahead > NEWEST:
        raise InvalidRecord(f"timestamp is {_duration(ahead)} ahead of the clock; at most 5 minutes are accepted")
    if ahead < -OLDEST:
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


def _check_id(name: str, text: str) -> None:
    if not text or text.isspace():
        raise InvalidRecord(f"{name} is empty")
    if len(text) > MAX_ID:
        raise InvalidRecord(f"{name} has {len(text):,} characters; at most {MAX_ID} are accepted")


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
    if not -MAX_AMOUNT <= amount <= MAX_AMOUNT:
        raise InvalidRecord("amount is beyond 10^15")
    exponent = amount.as_tuple().exponent
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
    if isinstance(value, bytes):
        return value.hex()
    raise InvalidRecord(f"{quoted(name)} holds a value of type {type(value).__name__}, which JSON cannot keep")


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:,} {unit}"
    return f"{seconds} seconds"
