"""Amounts as people write them: which sign stands before the decimals, and which between the thousands."""

import re
from decimal import Decimal, DecimalException
from functools import cache
from typing import NamedTuple
from unicodedata import category

from services.records.validation import InvalidRecord, quoted

DECIMAL_SIGNS = (".", ",")
THOUSANDS_SIGNS = ("", ",", ".", " ", "'")
_SPACES = " \u00a0\u202f\u2009"
_SAME = {" ": _SPACES, "'": "'\u2019"}
"""Signs that are typed as one and typeset as another."""


class Numerals(NamedTuple):
    """How numbers are written. Without a sign for thousands there must be none in them."""

    decimal: str = "."
    thousands: str = ""

    @classmethod
    def of(cls, decimal: str | None = None, thousands: str | None = None) -> "Numerals":
        """Numerals by the signs that were named. A decimal comma leaves the thousands without a sign.

        Raises: ValueError with a sentence for signs that cannot be.
        """
        found = cls(decimal or ".", thousands or "")
        if found.decimal not in DECIMAL_SIGNS:
            raise ValueError(f"the decimal sign is . or , and not {quoted(found.decimal)}")
        if found.thousands not in THOUSANDS_SIGNS:
            raise ValueError(f"the sign between thousands is one of , . ' and a space, and not {quoted(thousands)}")
        if found.decimal == found.thousands:
            raise ValueError(f"{quoted(found.decimal)} cannot stand for both decimals and thousands")
        return found

    def read(self, text: str) -> Decimal:
        """The amount that `text` names: ASCII digits, a sign, a point, an exponent, a currency sign before or after.

        Raises: InvalidRecord with what was expected.
        """
        found = self._digits(text)
        if found is None:
            raise InvalidRecord(
                f"amount is the text {quoted(text)}, not a decimal number such as {self._example}{self._advice(text)}"
            )
        try:
            return Decimal(found)
        except DecimalException:
            raise InvalidRecord(f"amount {quoted(text)} is out of range") from None

    def _digits(self, text: str) -> str | None:
        """`text` as Python writes a number; None where it is none."""
        plain, grouped = _patterns(self.decimal, self.thousands)
        text = _without_currency(text)
        if plain.fullmatch(text):
            return text.replace(self.decimal, ".")
        if grouped is not None and grouped.fullmatch(text):
            for sign in _SAME.get(self.thousands, self.thousands):
                text = text.replace(sign, "")
            return text.replace(self.decimal, ".")
        return None

    @property
    def _example(self) -> str:
        return f"1{self.thousands}234{self.decimal}56"

    def _advice(self, text: str) -> str:
        others = [Numerals()] if Numerals()._digits(text) else _others(self)
        ways = [_options(other) for other in others if other._digits(text)]
        fewest = min(map(len, ways), default=0)
        found = " or ".join(" ".join(way) for way in ways if len(way) == fewest)
        return f"; try {found}" if found else ""


def _others(than: Numerals) -> list[Numerals]:
    every = (Numerals(decimal, thousands) for decimal in DECIMAL_SIGNS for thousands in THOUSANDS_SIGNS)
    return [other for other in every if other.decimal != other.thousands and other != than]


def _options(numerals: Numerals) -> list[str]:
    """The options of a command that name these numerals, as a shell takes them."""
    found = [f"--decimal {numerals.decimal}"]
    if numerals.thousands:
        sign = {" ": "' '", "'": '"\'"'}.get(numerals.thousands, numerals.thousands)
        found = [f"--thousands {sign}"] if numerals.decimal == "." else [*found, f"--thousands {sign}"]
    return found


@cache
def _patterns(decimal: str, thousands: str) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    point = re.escape(decimal)
    power = r"(?:[eE][+-]?\d+)?"
    plain = re.compile(rf"[+-]?(?:\d+(?:{point}\d*)?|{point}\d+){power}", re.ASCII)
    if not thousands:
        return plain, None
    between = f"[{re.escape(_SAME.get(thousands, thousands))}]"
    # Groups of two before the last of three are India's: 12,34,567.
    grouped = rf"[+-]?\d{{1,3}}(?:{between}\d{{2,3}})*{between}\d{{3}}(?:{point}\d*)?"
    return plain, re.compile(grouped, re.ASCII)


def currency_sign(text: str) -> str:
    """The sign of a currency in an amount, empty where there is none."""
    if text.isascii():
        return "$" if "$" in text else ""
    return next((sign for sign in text if category(sign) == "Sc"), "")


def _without_currency(text: str) -> str:
    text = text.strip()
    if text.isascii() and "$" not in text:
        return text
    sign = text[:1] if text[:1] in ("+", "-") else ""
    rest = text[len(sign) :]
    if rest and category(rest[0]) == "Sc":
        rest = rest[1:].lstrip()
        if not sign and rest[:1] in ("+", "-"):
            sign, rest = rest[0], rest[1:]
    elif rest and category(rest[-1]) == "Sc":
        rest = rest[:-1].rstrip()
    return sign + rest
