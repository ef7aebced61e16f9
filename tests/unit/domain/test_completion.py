"""What is offered while a filter is typed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.filters import complete, parse, values_seen
from domain.transaction import Merchant
from tests.tui.fake_port import row, rows

SEEN = {
    "country": ("FR", "BE", "FI"),
    "merchant": ("Casa del Libro", "bakery", 'Chez "Max"', "50*", "a\\b"),
    "why": ("amount", "velocity_1h"),
}


def offered(text: str, cursor: int | None = None) -> list[str]:
    at = len(text) if cursor is None else cursor
    return [each.accepted(text)[0] for each in complete(text, at, lambda field: SEEN.get(field, ()), limit=100)]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("am", "amount>"),
        ("cou", "country:"),
        ("SEV", "severity>="),
        ("amount>5 -us", "amount>5 -user:"),
        ("(co", "(country:"),
        ("user:u-1|me", "user:u-1|merchant:"),
        ("is:fl", "is:flagged"),
        ("severity>=", "severity>=critical"),
        ("triage:conf", "triage:confirmed"),
        ("since:", "since:5m"),
        ("country:f", "country:FR"),
        ("country!=", "country!=FR"),
        ("country:FR,b", "country:FR,BE"),
        ("why:vel", "why:velocity_1h"),
        ("merchant:cas", 'merchant:"Casa del Libro"'),
        ('merchant:"casa d', 'merchant:"Casa del Libro"'),
        ("merchant:libro", 'merchant:"Casa del Libro"'),
        ("merchant:chez", 'merchant:"Chez \\"Max\\""'),
        ("merchant:50", 'merchant:"50*"'),
    ],
)
def test_what_was_begun_is_completed(typed: str, first: str) -> None:
    assert offered(typed)[0] == first


def test_an_empty_filter_offers_every_field() -> None:
    assert {"amount>", "user:", "is:", "severity>=", "time>", "until:"} <= set(offered(""))


@pytest.mark.parametrize("text", ["amount>5", '"free te', "country:FR", "user:u-*", "nosuch:", "amount>5 12"])
def test_where_nothing_is_known_nothing_is_offered(text: str) -> None:
    assert offered(text) == []


def test_nothing_is_offered_inside_a_word_but_before_the_next_term() -> None:
    assert offered("cou amount>5", 2) == []
    assert offered("cou amount>5", 3) == ["country: amount>5"]


def test_values_come_from_rows_the_most_frequent_first() -> None:
    held = rows(100)
    assert values_seen("country", held)[:5] == ("BE", "ES", "DE", "JP", "FR")
    assert set(values_seen("why", held)) == {"amount", "amount_ratio", "location", "country", "time", "hour"}
    assert "Sliema Coin Exchange" in values_seen("merchant", held)


def test_what_cannot_be_searched_for_is_not_offered() -> None:
    hostile = row(20)
    merchant = Merchant(name="\x1b]52;c;aGk=\x07", id="\u202egnp", category="[/oops]")
    hostile = msgspec.structs.replace(
        hostile, transaction=msgspec.structs.replace(hostile.transaction, merchant=merchant)
    )
    assert values_seen("merchant", [hostile]) == ("[/oops]",)


@given(st.text(), st.text(alphabet='ab "\\*:,()|-', max_size=12))
def test_whatever_is_offered_after_a_field_parses_and_means_that_value(typed: str, value: str) -> None:
    if not value.strip() or not value.isprintable():
        return
    for suggestion in complete("merchant=", 9, lambda _: (value,)):
        text, cursor = suggestion.accepted("merchant=")
        assert cursor == len(text)
        merchant = Merchant(name=value)
        named = msgspec.structs.replace(row(1).transaction, merchant=merchant)
        assert parse(text).matches(msgspec.structs.replace(row(1), transaction=named))
    complete(typed, len(typed), lambda _: (value,))
