"""What COPY is given says what the values are; tests of the store read it back through PostgreSQL."""

import struct
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.store.binary import NULL, decimals, rows, some_texts, texts

AMOUNTS = (
    st.decimals(-(10**15), 10**15, places=8)
    | st.decimals(-(10**6), 10**6, places=2)
    | st.integers(-(10**15), 10**15).map(Decimal)
)


def numeric(encoded: bytes) -> tuple[Decimal, int]:
    """The value of a numeric and how many decimals it shows."""
    count, power, sign, shown = struct.unpack(">hhHh", encoded[:8])
    digits = struct.unpack(f">{count}h", encoded[8:])
    assert not digits or (digits[0] and digits[-1])
    whole = sum(digit * 10_000 ** (count - 1 - place) for place, digit in enumerate(digits))
    value = Decimal(whole).scaleb(4 * (power + 1 - count)) if digits else Decimal(0)
    return (-value if sign else value), shown


@settings(deadline=None)
@given(st.lists(AMOUNTS, min_size=1, max_size=20))
def test_an_amount_keeps_its_value_and_its_decimals(amounts: list[Decimal]) -> None:
    column = decimals(amounts)
    at = 0
    for amount, length in zip(amounts, column.lengths.tolist(), strict=True):
        value, shown = numeric(column.values[at : at + length])
        assert value == amount
        assert shown == max(0, -int(amount.as_tuple().exponent))
        at += length
    assert at == len(column.values)


def test_amounts_that_python_writes_with_an_exponent_are_none_to_postgresql() -> None:
    column = decimals([Decimal("1E-8"), Decimal("0E-8"), Decimal("-0.00")])
    starts = [0, *column.lengths.cumsum().tolist()]
    found = [numeric(column.values[start:end]) for start, end in pairwise(starts)]
    assert found == [(Decimal("1E-8"), 8), (0, 8), (0, 2)]


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_are_utf_8_with_their_lengths_in_bytes(values: list[str | None]) -> None:
    known = {row: value for row, value in enumerate(values) if value is not None}
    for column in (texts(values), some_texts(known, len(values))):
        assert column.values == b"".join(value.encode() for value in known.values())
        assert column.lengths.tolist() == [NULL if value is None else len(value.encode()) for value in values]


def test_what_is_no_unicode_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        texts(["\ud800"])


def test_rows_have_their_columns_one_after_the_other() -> None:
    body = bytes(rows([texts(["a", None]), texts(["", "bcd"])]))
    first = struct.pack(">hi1si", 2, 1, b"a", 0)
    second = struct.pack(">hii3s", 2, -1, 3, b"bcd")
    assert body == b"PGCOPY\n\xff\r\n\0" + bytes(8) + first + second + b"\xff\xff"
