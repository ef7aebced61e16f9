"""Amounts as sources write them: signs, debit and credit, minor units, binary decimals.

Signs are turned with `copy_negate`: the operator would round to 28 digits, and overflow.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any

from domain.currency import CURRENCIES, UNCOINED, exponent, is_sign_of
from domain.transaction import MAX_AMOUNT, MAX_DECIMALS
from services.records.numerals import currency_sign
from services.records.paths import is_absent
from services.records.validation import InvalidRecord, described, quoted

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_MAYBE_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII)
SIGNED_TWICE = "a minus in a debit or a credit"
"""The remark on a debit or a credit below zero: it is taken as its opposite."""

THREE_DECIMALS = "three decimals"
"""The remark on a text such as 1.234 of a currency that has fewer decimals: the point may stand between thousands."""

Find = Callable[[str], Any]
Read = Callable[[Any], Decimal]
"""How a source's amounts are read, by its numerals."""


@dataclass(frozen=True)
class DebitAndCredit:
    """Two fields of which a record has one: spending as it stands, and money back, whose sign is turned."""

    debit: str
    credit: str

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields it reads."""
        return (self.debit, self.credit)

    def of(self, find: Find, number: Read) -> Any:
        """The amount, `paths.MISSING` where neither is given. Raises: InvalidRecord."""
        debit, credit = find(self.debit), find(self.credit)
        given = [value for value in (debit, credit) if not is_absent(value)]
        if len(given) == 2:
            amounts = [number(value) for value in given]
            if all(amounts):
                raise InvalidRecord(f"amount is in both {self.debit} and {self.credit}")
            return amounts[0] or amounts[1].copy_negate()
        if not given:
            return debit
        return debit if given[0] is debit else number(credit).copy_negate()

    def signed_twice(self, find: Find, number: Read) -> bool:
        """Whether one of the two has a sign of its own."""
        return any(number(value) < 0 for value in map(find, self.paths) if not is_absent(value))


@dataclass(frozen=True)
class Signed:
    """An amount without a sign, and the field whose words for money back turn it negative."""

    amount: str
    sign: str
    credit: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields it reads."""
        return (self.amount, self.sign)

    def of(self, find: Find, number: Read) -> Any:
        """The amount, `paths.MISSING` where it is not given. Raises: InvalidRecord."""
        value = find(self.amount)
        return value if is_absent(value) or not self._is_back(find) else number(value).copy_abs().copy_negate()

    def signed_twice(self, find: Find, number: Read) -> bool:
        """Whether an amount that is spent has a sign of its own."""
        value = find(self.amount)
        return not is_absent(value) and not self._is_back(find) and number(value) < 0

    def _is_back(self, find: Find) -> bool:
        return str(find(self.sign)).strip().casefold() in self.credit


def number(value: Any, name: str = "amount", wanted: str = "a decimal number") -> Decimal:
    """A number, or a text of ASCII digits, as an exact decimal. Raises: InvalidRecord for anything else."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        # repr is the shortest text that reads back as the same double: 75.81, not 75.8100000000000022; and
        # what a double adds beyond our decimals is its own noise (10.1 * 3 = 30.299999999999997).
        return Decimal(repr(round(value, MAX_DECIMALS)))
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and _NUMBER.fullmatch(text := value.strip()):
        try:
            return Decimal(text)
        except DecimalException:
            raise InvalidRecord(f"{name} {quoted(text)} is out of range") from None
    raise InvalidRecord(f"{name} is {described(value)}, not {wanted}")


def from_minor_units(amount: Decimal, currency: Any) -> Decimal:
    """An amount in cents, or what the currency's minor unit is, in the currency itself. Raises: InvalidRecord."""
    if not isinstance(currency, str) or currency not in CURRENCIES:
        return amount
    if currency in UNCOINED:
        raise InvalidRecord(f"amount is in minor units, which {currency} does not have")
    if not amount.is_finite() or amount.copy_abs() > MAX_AMOUNT:
        return amount
    if amount != amount.to_integral_value():
        raise InvalidRecord(f"amount {amount} is not a whole number of minor units")
    return amount.to_integral_value().scaleb(-exponent(currency))


def has_maybe_thousands(value: Any, code: str) -> bool:
    """Whether a text has one point, three digits behind it, and a currency (ISO 4217) that has fewer decimals."""
    return (
        isinstance(value, str)
        and _MAYBE_THOUSANDS.fullmatch(value.strip()) is not None
        and code in CURRENCIES - UNCOINED
        and exponent(code) < 3
    )


def check_sign(value: Any, code: str) -> None:
    """Raises: InvalidRecord for a text with the sign of another currency than this one (ISO 4217)."""
    if isinstance(value, str) and (sign := currency_sign(value)) and not is_sign_of(sign, code):
        raise InvalidRecord(f"amount {quoted(value)} has the sign of another currency than {code}")


def binary(text: str, scale: int) -> Decimal:
    """A decimal sent as base64 of its unscaled two's complement, as Kafka Connect does. Raises: InvalidRecord."""
    if not _BASE64.fullmatch(text) or len(text) > 64 or not 0 <= scale <= 64:
        raise InvalidRecord(f"{quoted(text)} is not a decimal in base64")
    try:
        unscaled = int.from_bytes(b64decode(text, validate=True), "big", signed=True)
    except ValueError:
        raise InvalidRecord(f"{quoted(text)} is not a decimal in base64") from None
    sign, digits, _ = Decimal(unscaled).as_tuple()
    return Decimal((sign, digits, -scale))


def looks_binary(value: Any) -> bool:
    """Whether an amount may be a decimal in base64 whose scale the record does not say."""
    return (
        isinstance(value, str)
        and len(value) % 4 == 0
        and _BASE64.fullmatch(value) is not None
        and _NUMBER.fullmatch(value) is None
    )
