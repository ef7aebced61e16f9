"""Amounts as sources write them: signs, debit and credit, minor units, binary decimals.

Signs are turned with `copy_negate`: the operator would round to 28 digits, and overflow.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any

from domain.currency import CURRENCIES, UNCOINED, exponent
from domain.transaction import MAX_AMOUNT, MAX_DECIMALS
from services.records.paths import is_absent
from services.records.validation import InvalidRecord, described, quoted

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
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
        value, sign = find(self.amount), find(self.sign)
        if is_absent(value) or str(sign).strip().casefold() not in self.credit:
            return value
        return number(value).copy_abs().copy_negate()


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
