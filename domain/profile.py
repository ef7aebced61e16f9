"""A user's habits as they are shown; the detectors keep their own running state."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

UserOrder = Literal["flagged", "last", "id"]
"""Most flagged first, seen last first, or by user id."""

Value = TypeVar("Value")


class Share(msgspec.Struct, frozen=True):
    """How often a value was seen: `share` of `count` in [0, 1]."""

    value: str
    count: float
    share: float


class ThresholdAt(msgspec.Struct, frozen=True):
    """The score from which one transaction of the user, at event time `at`, would have been flagged."""

    at: datetime
    threshold: float


class ProfileView(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen picture of one user's profile at `as_of`.

    Amounts are in the user's usual currency. `hours` has 24 weights and `weekdays` 7 (Monday first), each summing
    to 1, or all zero before the first transaction; both by the sun where the user's place is known, else UTC.
    From `needed` transactions on a user is judged by their own history. `per_day` is 0 before the second transaction.
    `thresholds` is how the threshold moved, oldest first.
    """

    user_id: str
    as_of: datetime | None
    seen: int
    needed: int
    mean_amount: float
    sd_amount: float
    per_day: float
    threshold: float
    recent_amounts: tuple[float, ...] = ()
    hours: tuple[float, ...] = (0.0,) * 24
    weekdays: tuple[float, ...] = (0.0,) * 7
    countries: tuple[Share, ...] = ()
    categories: tuple[Share, ...] = ()
    merchants: tuple[Share, ...] = ()
    devices: tuple[Share, ...] = ()
    payment_methods: tuple[Share, ...] = ()
    flagged: int = 0
    currency: str = "EUR"
    thresholds: tuple[ThresholdAt, ...] = ()


class UserSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line about a user: what a list of users shows. Amounts are in `currency`, the user's usual one."""

    user_id: str
    seen: int
    needed: int
    flagged: int
    last_at: datetime | None
    mean_amount: float
    currency: str
    threshold: float


class UserList(msgspec.Struct, frozen=True):
    """Users in the order asked for; `more` says that there are others beyond the limit."""

    users: tuple[UserSummary, ...] = ()
    more: bool = False


def thinned(values: Sequence[Value], most: int) -> tuple[Value, ...]:
    """At most `most` of the values, evenly spread, always with the first and the last. `most` is 2 or more."""
    if len(values) <= most:
        return tuple(values)
    step = (len(values) - 1) / (most - 1)
    return tuple(values[round(number * step)] for number in range(most))
