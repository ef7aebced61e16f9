"""The running state of one user: everything the enhanced detector remembers, bounded whatever happens."""

from bisect import insort

import msgspec

STATE_VERSION = 1
"""Written beside each stored state; a state of another version is not used but learnt again."""

MAX_MERCHANTS = 64
MAX_VALUES = 24
RECENT = 32
MEMORY = 256
"""Counts are halved at this total: habits older than a few hundred transactions fade."""

AMOUNT_MEMORY = 100
"""Running moments forget with weight 1/n, but never slower than this many transactions."""


class Moments(msgspec.Struct, array_like=True, gc=False):
    """A running mean and variance with bounded memory; `count` stops at the memory's length."""

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def learn(self, value: float, memory: int = AMOUNT_MEMORY) -> None:
        """Move towards `value` with weight 1/min(n, memory)."""
        count = self.count
        if count < memory:
            self.count = count = count + 1
        weight = 1.0 / count
        delta = value - self.mean
        step = weight * delta
        self.mean += step
        self.variance = (1.0 - weight) * (self.variance + step * delta)


class Counts(msgspec.Struct, array_like=True, gc=False):
    """How often each value was seen, fading, for at most a fixed number of values."""

    total: int = 0
    of: dict[str, int] = {}

    def learn(self, value: str, limit: int = MAX_VALUES) -> None:
        """Count `value`; the rarest makes room when `limit` values are known."""
        known = self.of
        seen = known.get(value)
        total = self.total + 1
        if seen is not None:
            known[value] = seen + 1
        else:
            if len(known) >= limit:
                total -= known.pop(min(known, key=known.__getitem__))
            known[value] = 1
        if total >= MEMORY:
            self.of = {key: count >> 1 for key, count in known.items() if count > 1}
            total = sum(self.of.values())
        self.total = total


class Place(msgspec.Struct, array_like=True, gc=False):
    """Where and when the user last was, known from the last coordinates."""

    latitude: float
    longitude: float
    time: float
    city: str | None = None


class UserState(msgspec.Struct, array_like=True, gc=False):
    """One user's habits in the detectors' units (euros, seconds since 1970 UTC).

    `times` and `amounts` are the last `RECENT` transactions, oldest first. `memory` is recent suspicion as of
    `last_time`, `bar` what this user's threshold is raised by, in units of rarity.
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
    merchants: Counts = msgspec.field(default_factory=Counts)
    categories: Counts = msgspec.field(default_factory=Counts)
    countries: Counts = msgspec.field(default_factory=Counts)
    devices: Counts = msgspec.field(default_factory=Counts)
    payment_methods: Counts = msgspec.field(default_factory=Counts)
    currencies: Counts = msgspec.field(default_factory=Counts)
    transaction_types: Counts = msgspec.field(default_factory=Counts)
    place: Place | None = None

    def to_bytes(self) -> bytes:
        """The state as msgpack; decoding gives back every bit of it."""
        return _encode(self)

    @staticmethod
    def from_bytes(encoded: bytes) -> "UserState":
        """The state of `to_bytes`. Raises: msgspec.DecodeError."""
        return _decode(encoded)

    def remember(self, time: float, amount: float) -> None:
        """Add a transaction to the recent ones, in order of event time even when it comes late."""
        times, amounts = self.times, self.amounts
        if not times or time >= times[-1]:
            times.append(time)
            amounts.append(amount)
        else:
            insort(times, time)
            amounts.insert(times.index(time), amount)
        if len(times) > RECENT:
            del times[0], amounts[0]

    def learn_hour(self, hour: int, weekday: int) -> None:
        """Count an hour of the day (UTC) and a weekday (Monday is 0)."""
        hours = self.hours
        hours[hour] += 1
        self.weekdays[weekday] += 1
        if hours[hour] >= MEMORY:
            self.hours = [count >> 1 for count in hours]
            self.weekdays = [count >> 1 for count in self.weekdays]

    def moments_of(self, category: str) -> Moments:
        """The amounts in one category, made on first use; the least used one makes room."""
        moments = self.by_category.get(category)
        if moments is None:
            if len(self.by_category) >= MAX_VALUES:
                del self.by_category[min(self.by_category, key=lambda name: self.by_category[name].count)]
            moments = self.by_category[category] = Moments()
        return moments


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UserState).decode
