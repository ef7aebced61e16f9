"""Values in cells."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from domain.verdict import Reason, Severity, Verdict
from tui import cells
from tui.lists import columns


@pytest.mark.parametrize(
    ("amount", "currency", "width", "text"),
    [
        ("9200", "EUR", 0, "9 200.00"),
        ("1234.5", "EUR", 12, "1 234.50"),
        ("15800", "JPY", 12, "15 800"),
        ("1.5", "KWD", 12, "1.500"),
        ("0.00012345", "EUR", 12, "0.00012345"),
        ("-12.3", "EUR", 12, "-12.30"),
        ("1234567.89", "EUR", 10, "1 234 568"),
        ("999999999999999.99", "EUR", 10, "1.0P"),
    ],
)
def test_amounts_are_grouped_with_their_currencys_decimals(amount: str, currency: str, width: int, text: str) -> None:
    assert cells.money(Decimal(amount), currency, width) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (950, "950"), (1284, "1.3k"), (12_345, "12.3k"), (4.1e6, "4.1M")]
)
def test_counts_are_short(number: float, text: str) -> None:
    assert cells.short(number) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, ".00"), (0.02, ".02"), (0.98, ".98"), (0.996, "1.0"), (1.0, "1.0")])
def test_scores_take_three_cells(value: float, text: str) -> None:
    assert cells.score(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0s"), (0.4, "0.4s"), (38, "38s"), (724, "12m04s"), (11_100, "3h05m"), (187_200, "2d04h")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert cells.duration(timedelta(seconds=seconds)) == text


@given(st.text(), st.integers(0, 40), st.booleans())
def test_any_text_fits_its_cells_exactly(text: str, width: int, right: bool) -> None:
    assert cell_len(cells.fit(text, width, right)) == width


@given(st.integers(0, 300))
def test_columns_fill_no_more_than_their_width(width: int) -> None:
    for spec in (columns.FEED, columns.ANOMALIES):
        placed = columns.place(spec, width)
        assert len(columns.header(placed)) <= width
        assert bool(placed) == (width > 0)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 30))
def test_gauges_and_bars_keep_their_width(value: float, threshold: float, width: int) -> None:
    assert len(cells.gauge(value, threshold, width)) == width
    assert len(cells.bar(value, width)) == width


def test_what_is_left_of_a_score_besides_its_reasons_is_not_listed() -> None:
    reasons = (Reason("device", "device", 0.4), Reason("other", "other", 0.5, text="weaker reasons: hour"))
    verdict = Verdict(
        detector="enhanced",
        score=0.9,
        threshold=0.7,
        flagged=True,
        severity=Severity.CRITICAL,
        model_version="1",
        reasons=reasons,
    )
    assert cells.why(verdict, 60) == "device"
