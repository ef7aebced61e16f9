"""The enhanced detector's features: what one transaction looks like against its user's own habits.

`measure` only reads a state; `detectors.learning` moves it. Every feature is larger the stranger the transaction
is; `MISSING` is neutral.
"""

from bisect import bisect_left, bisect_right
from math import asin, cos, inf, lgamma, log, log1p, log10, radians, sin, sqrt
from typing import NamedTuple

import msgspec

from detectors.inputs import Inputs
from detectors.population import DAY, HOUR, SECONDS_PER_DEGREE, Frequencies, Normal, Population, smoothed
from detectors.state import Counts, Moments, Place, UserState
from domain.verdict import Factor

MISSING = float("-inf")
EARTH_RADIUS = 6371.0
FASTEST = 900.0
"""Kilometres an hour of an airliner: what is faster needs two people."""

SETTLED = 7.0
"""Transactions after which half of a user's habits in a field count as known."""

BUSY_SPEND, BUSY_COUNT = 16.0, 8.0
SCANNED = (1, 2, 3, 5, 8)


class Feature(NamedTuple):
    """`weight` is its share in the sum of squares, `floor` the least mean excess of its calibrated tail.

    `decades` is None for a tail read off history; else the value is a log-probability, and what it has above
    `decades` is its rarity (see `Calibration.fit`).
    """

    name: str
    factor: Factor
    weight: float
    floor: float
    decades: float | None = None
    heaviest: float = inf


FEATURES = (
    Feature("amount_user", "amount", 1.5, 0.3),
    Feature("amount_category", "amount", 1.0, 0.3, heaviest=2.0),
    Feature("amount_category_low", "amount", 1.0, 0.3, heaviest=2.0),
    Feature("amount_user_category", "amount", 1.0, 0.3, heaviest=2.0),
    Feature("amount_user_category_low", "amount", 1.0, 0.3, heaviest=2.0),
    Feature("amount_population", "amount", 3.0, 0.3, heaviest=2.0),
    Feature("spend_day", "frequency", 0.25, 0.3),
    Feature("burst_hour", "frequency", 1.0, 0.43, 0.0),
    Feature("gap", "frequency", 0.25, 0.3, heaviest=2.0),
    Feature("merchant", "merchant", 0.25, 0.43),
    Feature("category", "merchant", 3.0, 0.43, 0.0),
    Feature("hour", "time", 6.0, 0.43, 0.0),
    Feature("country", "location", 3.0, 0.43, 0.0),
    Feature("device", "device", 4.0, 0.43, 0.0),
    Feature("payment_method", "payment", 6.0, 0.43, 0.0),
    Feature("currency", "location", 2.0, 0.43, 0.0),
    Feature("transaction_type", "payment", 1.0, 0.43, 0.0),
    Feature("travel", "location", 2.0, 0.3, log1p(FASTEST)),
)

_LOG_FACTORIAL = [lgamma(count + 1.0) for count in range(SCANNED[-1] + 1)]
LN10 = log(10.0)


class Expectation(msgspec.Struct, frozen=True, gc=False):
    """What the user's habits, shrunk to the population, led to expect: means and standard deviations.

    `gap` is the mean number of seconds between two transactions.
    """

    amount: float
    amount_sd: float
    log_amount: float
    log_amount_sd: float
    category: float
    category_sd: float
    gap: float


def expectation(row: Inputs, state: UserState, population: Population) -> Expectation:
    """The amount this user was expected to spend here, in euros and in logarithms."""
    own = state.amount
    n = own.count
    amount = (n * own.mean + 2.0 * population.amount_mean) / (n + 2.0)
    if amount < 0.01:
        amount = 0.01
    variance = (n * own.variance + 10.0 * population.amount_cv2 * amount * amount) / (n + 10.0)

    mean, spread = _shrunk(state.log_amount, population.log_amount, 5.0)
    name = row.category or ""
    parent = population.by_category.get(name) or population.log_amount
    moments = state.by_category.get(name)
    if moments is None:
        category, category_spread = parent.mean, parent.variance
    else:
        category, category_spread = _shrunk(moments, parent, 5.0)
    gap = state.gap
    mean_gap = (gap.count * gap.mean + 3.0 * population.mean_gap) / (gap.count + 3.0)
    return Expectation(amount, sqrt(variance), mean, sqrt(spread), category, sqrt(category_spread), mean_gap + 1.0)


def _shrunk(own: Moments, parent: Normal, weight: float) -> tuple[float, float]:
    """Mean and variance, as if `weight` of the observations had been the parent's."""
    n = own.count
    total = n + weight
    return (
        (n * own.mean + weight * parent.mean) / total,
        (n * own.variance + weight * parent.variance) / total + 0.0025,
    )


def measure(row: Inputs, state: UserState, population: Population, expected: Expectation) -> list[float]:
    """The values of `FEATURES`, in that order."""
    log_amount = row.log_amount
    name = row.category or ""
    parent = population.by_category.get(name) or population.log_amount
    in_category = (log_amount - parent.mean) / sqrt(parent.variance)
    for_user = (log_amount - expected.category) / expected.category_sd
    overall = population.log_amount
    spend, burst, gap = _pace(row, state, population, expected)
    hour = int(clock(row, state) // HOUR) % 24
    return [
        (row.amount - expected.amount) / expected.amount_sd,
        in_category,
        -in_category,
        for_user,
        -for_user,
        (log_amount - overall.mean) / sqrt(overall.variance),
        spend,
        burst,
        gap,
        _novelty(row.merchant, state.merchants, population.merchants, open_ended=True),
        _novelty(row.category, state.categories, population.categories),
        _odd_hour(hour, state.hours, population.hours[hour]),
        _novelty(row.country, state.countries, population.countries),
        _novelty(row.device, state.devices, population.devices),
        _novelty(row.payment_method, state.payment_methods, population.payment_methods),
        _novelty(row.currency, state.currencies, population.currencies),
        _novelty(row.transaction_type, state.transaction_types, population.transaction_types),
        speed(row, state.place),
    ]


def _pace(row: Inputs, state: UserState, population: Population, expected: Expectation) -> tuple[float, float, float]:
    """Recent spend in standard deviations, -log10 tail of the recent count, shortness of the gap in sd."""
    times = state.times
    if not times:
        return MISSING, MISSING, MISSING
    now, gap, mean, sd = row.time, expected.gap, expected.amount, expected.amount_sd
    number = spend_span(gap) / gap
    spend = recent_spend(state, now, gap) + row.amount
    spent = (spend - number * mean) / sqrt((number + 1.0) * (sd * sd + mean * mean))
    crowded, _ = crowd(times, now, gap)
    elapsed = now - state.last_time
    if elapsed < 0.0:
        return spent, crowded, MISSING
    usual, spread = _shrunk(state.log_gap, population.log_gap, 5.0)
    return spent, crowded, (usual - log1p(elapsed)) / sqrt(spread)


def spend_span(gap: float) -> float:
    """Seconds over which spend is summed: a day, or what a user who is busier than that does 16 times."""
    span = BUSY_SPEND * gap
    return span if span < DAY else DAY


def count_span(gap: float) -> float:
    """Seconds within which transactions belong to one episode: an hour, or what a busier user does 8 times."""
    span = BUSY_COUNT * gap
    return span if span < HOUR else HOUR


def recent_spend(state: UserState, now: float, gap: float) -> float:
    """Euros spent in the `spend_span` before `now` by a user with this usual gap."""
    times = state.times
    first = bisect_left(times, now - spend_span(gap))
    if times and times[-1] > now:
        # Only a late event finds transactions after it.
        return sum(state.amounts[first : bisect_right(times, now)])
    return sum(state.amounts[first:])


def crowd(times: list[float], now: float, gap: float) -> tuple[float, int]:
    """The least likely crowd before `now` among the last few transactions, for a user with this usual gap.

    Returns: -log10 of its probability, and how many transactions before this one belong to it; (0, 0) for none.
    Source: Naus, "The distribution of the size of the maximum cluster of points on a line", JASA 1965.
    """
    found, members = 0.0, 0
    known = len(times)
    # Clocks are not exact to the second; a terminal that pays for its users all day has other seconds than they.
    least = min(10.0, 0.05 * gap)
    for count in SCANNED:
        if known < count:
            break
        span = now - times[-count]
        expected = 1.5 * (span if span > least else least) / gap
        if expected < count and span >= 0.0:
            tail = _poisson_tail(count, expected)
            if tail > found:
                found, members = tail, count
    return found, members


def _poisson_tail(count: int, rate: float) -> float:
    """-log10 P(X >= count) for a `rate` below `count`, by its leading terms; 0 or less where it is no surprise."""
    return (_LOG_FACTORIAL[count] + rate - log(rate**count / (1.0 - rate / (count + 1.0)))) / LN10


def _novelty(value: str | None, own: Counts, population: Frequencies, *, open_ended: bool = False) -> float:
    """-log10 of the value's probability for this user, backing off to the population.

    A known value's share is Witten-Bell's; a new one has its part of the probability that Good and Turing leave to
    all new values, the share of values seen once: for a user who often tries new things, one more is no surprise. Of
    `open_ended` fields more values come than a state keeps, and new ones too have Witten-Bell's share.

    A value in more than half of the transactions is no news at all: 0, however long the user is known. Nor is
    anything for a user of whom nothing is known; novelty grows as habits settle.
    """
    if value is None:
        return MISSING
    known, total = own.of, own.total
    count = known.get(value)
    if count is not None and 2 * count > total + len(known) + 1:
        # More than half whatever the population does: most transactions end here.
        return 0.0
    share = population.share.get(value, population.unseen)
    if count is None and not open_ended:
        once = sum(1 for seen in known.values() if seen == 1)
        likely = (once + 0.5) / (total + 1.0) * min(share, 1.0 / (len(population.share) + 1))
    else:
        back_off = len(known) + 1.0
        likely = ((count or 0) + back_off * share) / (total + back_off)
    return -log10(likely) * total / (total + SETTLED) if likely < 0.5 else 0.0


def _odd_hour(hour: int, hours: list[int], near: float) -> float:
    """-log10 of the hour's probability under a circular kernel; `near` is the population's, worth 1.5 observations."""
    return -log10((smoothed(hours, hour) + 1.5 * near) / (sum(hours) + 1.5))


def clock(row: Inputs, state: UserState) -> float:
    """The time by the sun where the user is, in seconds since 1970; UTC as long as no place is known.

    Habits of the hour travel with the user.
    """
    if row.longitude is not None:
        return row.time + row.longitude * SECONDS_PER_DEGREE
    if state.place is not None:
        return row.time + state.place.longitude * SECONDS_PER_DEGREE
    return row.time


def distance(latitude: float, longitude: float, place: Place) -> float:
    """Kilometres between a point and a place along the great circle (haversine)."""
    phi, psi = radians(latitude), radians(place.latitude)
    half = sin((phi - psi) / 2.0) ** 2 + cos(phi) * cos(psi) * sin(radians(longitude - place.longitude) / 2.0) ** 2
    return 2.0 * EARTH_RADIUS * asin(sqrt(half if half < 1.0 else 1.0))


def speed(row: Inputs, place: Place | None) -> float:
    """ln(1 + km/h) since the last known place; within 30 km, or against the clock, it says nothing."""
    if place is None or row.latitude is None or row.longitude is None or row.time < place.time:
        return MISSING
    if row.latitude == place.latitude and row.longitude == place.longitude:
        return 0.0
    far = distance(row.latitude, row.longitude, place) - 30.0
    if far <= 0.0:
        return 0.0
    # Five minutes: terminals' clocks differ, and two cities in one second say no more than in a minute.
    return log1p(far * HOUR / max(row.time - place.time, 300.0))
