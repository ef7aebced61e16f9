"""An id names one transaction within a day before and after it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain.identity import ID_WINDOW, compared

AT = datetime(2026, 3, 5, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def test_what_a_transaction_is_to_the_earlier_ones_of_its_id() -> None:
    one = ("u-1", Decimal("1.50"), AT)
    assert compared(one, []) == "new"
    assert compared(("u-1", Decimal("1.5"), AT), [one]) == "same"
    for content in (("u-2", one[1], AT), ("u-1", Decimal(2), AT), ("u-1", one[1], AT + TICK)):
        assert compared(content, [one]) == "another"


def test_those_more_than_a_day_away_do_not_count() -> None:
    one = ("u-1", Decimal("1.50"), AT)
    for away in (ID_WINDOW, -ID_WINDOW):
        assert compared(("u-1", one[1], AT + away), [one]) == "another"
    for away in (ID_WINDOW + TICK, -ID_WINDOW - TICK):
        far = ("u-1", one[1], AT + away)
        assert compared(far, [one]) == "new"
        assert compared(far, [one, far]) == compared(one, [one, far]) == "same"


def test_the_ends_of_time_are_far_from_each_other() -> None:
    first, last = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert compared(("u", Decimal(1), first), [("u", Decimal(1), last)]) == "new"
