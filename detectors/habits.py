"""One user's state as it is read and stored; `detectors.state` has it as it is computed with."""

from operator import attrgetter

import msgspec

fields_of = attrgetter(
    "merchants", "categories", "countries", "devices", "payment_methods", "currencies", "transaction_types"
)
"""The counted fields of a user or of a population, as a tuple in the order of `detectors.layout`."""


class Moments(msgspec.Struct, array_like=True, gc=False):
    """A running mean and variance with bounded memory; `count` stops at the memory's length."""

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0


class Seen(msgspec.Struct, array_like=True, gc=False):
    """How often each value was seen, fading, for at most a fixed number of values."""

    total: int = 0
    of: dict[str, int] = {}


class Place(msgspec.Struct, array_like=True, gc=False):
    """Where and when the user last was, known from the last coordinates."""

    latitude: float
    longitude: float
    time: float
    city: str | None = None


class Habits(msgspec.Struct, array_like=True, gc=False):
    """One user's state as it is read and stored, in the detectors' units (euros, seconds since 1970 UTC).

    `times` and `amounts` are the last `RECENT` transactions, oldest first. `memory` is recent suspicion as of
    `last_time`, `bar` what this user's threshold is raised by, in units of rarity; `rise` is what the alert
    at `alerted` raises it by with a later day's. `since` is when the first transaction was.
    """

    seen: int = 0
    flagged: int = 0
    last_time: float = 0.0
    memory: float = 0.0
    bar: float = 0.0
    amount: Moments = msgspec.field(default_factory=Moments)
    log_amount: Moments = msgspec.field(default_factory=Moments)
    gap: Moments = msgspec.field(default_factory=Moments)
    log_gap: Moments = msgspec.field(default_factory=Moments)
    times: list[float] = msgspec.field(default_factory=list)
    amounts: list[float] = msgspec.field(default_factory=list)
    hours: list[int] = msgspec.field(default_factory=lambda: [0] * 24)
    weekdays: list[int] = msgspec.field(default_factory=lambda: [0] * 7)
    by_category: dict[str, Moments] = msgspec.field(default_factory=dict)
    merchants: Seen = msgspec.field(default_factory=Seen)
    categories: Seen = msgspec.field(default_factory=Seen)
    countries: Seen = msgspec.field(default_factory=Seen)
    devices: Seen = msgspec.field(default_factory=Seen)
    payment_methods: Seen = msgspec.field(default_factory=Seen)
    currencies: Seen = msgspec.field(default_factory=Seen)
    transaction_types: Seen = msgspec.field(default_factory=Seen)
    place: Place | None = None
    rise: float = 0.0
    alerted: float = 0.0
    since: float = 0.0

    @property
    def fields(self) -> tuple[Seen, ...]:
        """The counted fields, in the order of `detectors.layout`."""
        found: tuple[Seen, ...] = fields_of(self)
        return found
