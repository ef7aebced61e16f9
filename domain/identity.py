"""When a transaction is one that was there before: by its id, and its event time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

ID_WINDOW = timedelta(days=1)
"""An id names one transaction as far as event times are no further from each other; further apart it names others."""

_FIRST_TIME, _LAST_TIME = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

Content = tuple[str, Decimal, datetime]
"""User, amount and event time: what makes transactions of one id the same."""


def near(one: datetime, other: datetime) -> bool:
    """Whether an id at these two event times is used once."""
    return abs(one - other) <= ID_WINDOW


def around(first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """The earliest and the latest event time that is near one between these."""
    return first - min(ID_WINDOW, first - _FIRST_TIME), last + min(ID_WINDOW, _LAST_TIME - last)


def compared(content: Content, earlier: Sequence[Content]) -> Literal["new", "same", "another"]:
    """What a transaction is to the `earlier` ones of its id: none of them, one again, or a misuse of their id."""
    known = [each for each in earlier if near(each[2], content[2])]
    if not known:
        return "new"
    return "same" if content in known else "another"
