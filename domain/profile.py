"""A user's habits as they are shown; the detectors keep their own running state."""

from datetime import datetime

import msgspec


class Share(msgspec.Struct, frozen=True):
    """How often a value was seen: `share` of `count` in [0, 1]."""

    value: str
    count: float
    share: float


class ProfileView(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen picture of one user's profile at `as_of`.

    Amounts are in the user's usual currency. `hours` has 24 weights and `weekdays` 7 (Monday first), each summing
    to 1, or all zero before the first transaction; both by the sun where the user's place is known, else UTC.
    `seen` of `needed` tells how far a new user is from standing on their own history.
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
