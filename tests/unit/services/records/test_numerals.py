"""Amounts as people write them, and what a refusal says."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.records.mapping import BadMapping, Mapping
from services.records.numerals import Numerals
from services.records.validation import InvalidRecord

GERMAN = Numerals(",", ".")


@pytest.mark.parametrize(
    ("numerals", "text", "amount"),
    [
        (Numerals(), "12.50", "12.50"),
        (Numerals(), " +12.50 ", "12.50"),
        (Numerals(), "1e3", "1E+3"),
        (Numerals(), "12.", "12"),
        (Numerals(), ".5", "0.5"),
        (Numerals(), "$134.09", "134.09"),
        (Numerals(), "$-38.48", "-38.48"),
        (Numerals(), "-$38.48", "-38.48"),
        (Numerals(), "12.50 €", "12.50"),
        (Numerals(thousands=","), "1,234,567.89", "1234567.89"),
        (Numerals(thousands=","), "12,34,567.89", "1234567.89"),
        (Numerals(thousands=","), "1234.56", "1234.56"),
        (Numerals(thousands="'"), "1\u2019234.50", "1234.50"),
        (Numerals(thousands=" "), "1\u202f234.50", "1234.50"),
        (GERMAN, "12,50", "12.50"),
        (GERMAN, "1.234,56", "1234.56"),
        (GERMAN, "-1.234", "-1234"),
    ],
)
def test_an_amount_is_read_by_its_numerals(numerals: Numerals, text: str, amount: str) -> None:
    assert numerals.read(text) == Decimal(amount)


@pytest.mark.parametrize(
    ("numerals", "text", "sentence"),
    [
        (Numerals(), "12,50", "amount is the text '12,50', not a decimal number such as 1234.56; try --decimal ,"),
        (
            Numerals(),
            "1.234,56",
            "amount is the text '1.234,56', not a decimal number such as 1234.56; try --decimal , --thousands .",
        ),
        (
            Numerals(),
            "1,234.56",
            "amount is the text '1,234.56', not a decimal number such as 1234.56; try --thousands ,",
        ),
        (
            Numerals(),
            "1,234",
            "amount is the text '1,234', not a decimal number such as 1234.56; try --thousands , or --decimal ,",
        ),
        (GERMAN, "12.50", "amount is the text '12.50', not a decimal number such as 1.234,56; try --decimal ."),
        (
            Numerals(),
            "1'234.50",
            'amount is the text "1\'234.50", not a decimal number such as 1234.56; try --thousands "\'"',
        ),
        *(
            (Numerals(), text, f"amount is the text {text!a}, not a decimal number such as 1234.56")
            for text in ("1_000", "(12.50)", "12.50-", "12.50 EUR", "NaN", "Infinity", "0x10", "", "$", "-")
        ),
        (Numerals(), "\uff11\uff12", "amount is the text '\\uff11\\uff12', not a decimal number such as 1234.56"),
        (Numerals(), "\u0661\u0662", "amount is the text '\\u0661\\u0662', not a decimal number such as 1234.56"),
        (Numerals(), "1e99999999999999999999", "amount '1e99999999999999999999' is out of range"),
        (Numerals(thousands=","), "1,23,45", "amount is the text '1,23,45', not a decimal number such as 1,234.56"),
    ],
)
def test_what_is_no_amount_is_refused_with_the_option_that_would_read_it(
    numerals: Numerals, text: str, sentence: str
) -> None:
    with pytest.raises(InvalidRecord) as refused:
        numerals.read(text)
    assert refused.value.reason == sentence


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
def test_amounts_with_signs_between_thousands_read_back(amount: Decimal) -> None:
    assert Numerals(thousands=",").read(f"{amount:,}") == amount
    assert GERMAN.read(f"{amount:,}".translate(str.maketrans(",.", ".,"))) == amount


def test_a_mapping_names_its_numerals() -> None:
    record = {"transaction_id": "t", "user_id": "u", "amount": "1.234,56", "timestamp": "2026-11-26T08:00:00Z"}
    record["currency"] = "EUR"
    mapping = Mapping.from_dict({"decimal": ",", "thousands": "."})
    assert mapping.translate(record)[0]["amount"] == Decimal("1234.56")
    assert Mapping().with_numerals(GERMAN).translate(record)[0]["amount"] == Decimal("1234.56")
    assert mapping.with_constants({"currency": "EUR"}).translate(record)[0]["amount"] == Decimal("1234.56")


@pytest.mark.parametrize(
    ("signs", "sentence"),
    [
        ({"decimal": ";"}, "the decimal sign is . or , and not ';'"),
        ({"decimal": ",", "thousands": ","}, "',' cannot stand for both decimals and thousands"),
        ({"thousands": "_"}, "the sign between thousands is one of , . ' and a space, and not '_'"),
    ],
)
def test_numerals_that_cannot_be_are_refused(signs: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadMapping, match=f"^{sentence.replace('.', '[.]')}$"):
        Mapping.from_dict(signs)
