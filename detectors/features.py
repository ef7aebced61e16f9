"""The enhanced detector's features: what one transaction looks like against its user's own habits.

`measure` reads a state, `learn` moves it; neither does the other's work, so that a transaction is always
scored before it is learnt. Every feature is larger the stranger the transaction is; `MISSING` is neutral.
"""

from collections.abc import Sequence
from math import asin, cos, exp, inf, log1p, log10, radians, sin, sqrt
from typing import NamedTuple

from detectors.population import DAY, SECONDS_PER_DEGREE, Frequencies, Normal, Population
from detectors.row import Row
from detectors.state import MAX_MERCHANTS, MAX_VALUES, Counts, Moments, Place, UserState
from domain.verdict import Factor

MISSING = float("-inf")
HOUR = 3600.0
EARTH_RADIUS = 6371.0
FASTEST = 900.0
"""Kilometres an hour of an airliner: what is faster needs two people."""

SETTLED = 10.0
"""Transactions after which half of a user's habits in a field count as known."""

CLIP = 3.0
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
    Feature("device", "merchant", 4.0, 0.43, 0.0),
    Feature("payment_method", "merchant", 6.0, 0.43, 0.0),
    Feature("currency", "location", 2.0, 0.43, 0.0),
    Feature("transaction_type", "merchant", 1.0, 0.43, 0.0),
    Feature("travel", "location", 2.0, 0.3, log1p(FASTEST)),
)

# A Gaussian of 1.5 h around the hour, cut at 3 h, normalised to a sum of 1: the weights of 0, 1, 2 and 3 hours off.
_BELL = [exp(-0.5 * (offset / 1.0) ** 2) for offset in range(4)]
_BELL = [weight / (2.0 * sum(_BELL) - _BELL[0]) for weight in _BELL]
_AROUND = [tuple((hour + offset) % 24 for offset in range(-3, 4)) for hour in range(24)]
_LOG10_FACTORIAL = [sum(log10(j) for j in range(1, k + 1)) for k in range(64)]


class Expectation(NamedTuple):
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


def expectation(row: Row, state: UserState, population: Population) -> Expectation:
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


def measure(row: Row, state: UserState, population: Population, expected: Expectation) -> list[float]:
    """The values of `FEATURES`, in that order."""
    log_amount = row.log_amount
    name = row.category or ""
    parent = population.by_category.get(name) or population.log_amount
    in_category = (log_amount - parent.mean) / sqrt(parent.variance)
    for_user = (log_amount - expected.category) / expected.category_sd
    overall = population.log_amount
    spend, burst, gap = _pace(row, state, population, expected)
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
        _odd_hour(int(clock(row, state) // HOUR) % 24, state.hours, population.hours),
        _novelty(row.country, state.countries, population.countries),
        _novelty(row.device, state.devices, population.devices),
        _novelty(row.payment_method, state.payment_methods, population.payment_methods),
        _novelty(row.currency, state.currencies, population.currencies),
        _novelty(row.transaction_type, state.transaction_types, population.transaction_types),
        speed(row, state.place),
    ]


def _pace(row: Row, state: UserState, population: Population, expected: Expectation) -> tuple[float, float, float]:
    """Recent spend in standard deviations, -log10 tail of the recent count, shortness of the gap in sd."""
    if not state.times:
        return MISSING, MISSING, MISSING
    now = row.time
    spend = recent_spend(state, now, expected)
    mean, gap = expected.amount, expected.gap
    number = spend_span(gap) / gap
    spread = (number + 1.0) * (expected.amount_sd * expected.amount_sd + mean * mean)
    spent = (spend + row.amount - number * mean) / sqrt(spread)
    crowded = _scan(state.times, now, 1.5 / gap)
    if now < state.last_time:
        return spent, crowded, MISSING
    usual, gap_spread = _shrunk(state.log_gap, population.log_gap, 5.0)
    return spent, crowded, (usual - log1p(now - state.last_time)) / sqrt(gap_spread)


def spend_span(gap: float) -> float:
    """Seconds over which spend is summed: a day, or what a user who is busier than that does 16 times."""
    return min(DAY, BUSY_SPEND * gap)


def count_span(gap: float) -> float:
    """Seconds over which transactions are counted: an hour, or what a busier user does 8 times."""
    return min(HOUR, BUSY_COUNT * gap)


def recent_spend(state: UserState, now: float, expected: Expectation) -> float:
    """Euros spent in the `spend_span` before `now`."""
    span = spend_span(expected.gap)
    spend = 0.0
    times, amounts = state.times, state.amounts
    for index in range(len(times) - 1, -1, -1):
        age = now - times[index]
        if age > span:
            break
        if age >= 0.0:
            spend += amounts[index]
    return spend


def recent_count(state: UserState, now: float, expected: Expectation) -> int:
    """Transactions in the `count_span` before `now`."""
    span = count_span(expected.gap)
    return sum(0.0 <= now - time <= span for time in state.times)


def _scan(times: list[float], now: float, rate: float) -> float:
    """-log10 of the least likely crowd before `now`: of the last few transactions, at `rate` a second."""
    found = 0.0
    for count in SCANNED:
        if len(times) < count:
            break
        span = now - times[-count]
        expected = rate * (span if span > 10.0 else 10.0)
        if span >= 0.0 and expected < count:
            tail = _poisson_tail(count, expected)
            if tail > found:
                found = tail
    return found


def _poisson_tail(count: int, rate: float) -> float:
    """-log10 P(X >= count), by its leading terms; 0 where the count is no surprise."""
    if count <= rate:
        return 0.0
    ratio = rate / (count + 1.0)
    tail = _LOG10_FACTORIAL[count] - count * log10(rate) + rate * 0.4342944819 + log10(1.0 - ratio)
    return tail if tail > 0.0 else 0.0


def _novelty(value: str | None, own: Counts, population: Frequencies, *, open_ended: bool = False) -> float:
    """-log10 of the value's probability for this user, backing off to the population.

    A known value's share is Witten-Bell's; a new one has its part of the probability that Good and Turing leave to
    all new values, the share of values seen once: who tries things all the time surprises nobody by another. Of
    `open_ended` fields more values come than a state keeps, and new ones too have Witten-Bell's share.

    A value in more than half of the transactions is no news at all: 0, however long the user is known. Nor is
    anything for a user of whom nothing is known; novelty grows as habits settle.
    """
    if value is None:
        return MISSING
    known = own.of
    share = population.share.get(value, population.unseen)
    count = known.get(value)
    if count is None and not open_ended:
        once = sum(1 for seen in known.values() if seen == 1)
        likely = (once + 0.5) / (own.total + 1.0) * min(share, 1.0 / (len(population.share) + 1))
    else:
        back_off = len(known) + 1.0
        likely = ((count or 0) + back_off * share) / (own.total + back_off)
    return -log10(likely) * own.total / (own.total + SETTLED) if likely < 0.5 else 0.0


def _odd_hour(hour: int, hours: list[int], population: tuple[float, ...]) -> float:
    """-log10 of the hour's probability under a circular kernel, with 10 pseudo-counts of the population."""
    own, near = _smoothed(hours, hour), _smoothed(population, hour)
    return -log10((own + 2.0 * near) / (sum(hours) + 2.0))


def _smoothed(hours: Sequence[float], hour: int) -> float:
    a, b, c, d, e, f, g = _AROUND[hour]
    w0, w1, w2, w3 = _BELL
    return w0 * hours[d] + w1 * (hours[c] + hours[e]) + w2 * (hours[b] + hours[f]) + w3 * (hours[a] + hours[g])


def clock(row: Row, state: UserState) -> float:
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


def speed(row: Row, place: Place | None) -> float:
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


def learn(row: Row, state: UserState, expected: Expectation, suspicious: bool) -> None:
    """Move the state past the transaction.

    A suspicious one leaves the habits as they were, but for one thing: what it shows for the first time is met
    from then on, if only once, or a holiday would be flagged from its first day to its last.
    """
    time = row.time
    if state.seen and time >= state.last_time:
        gap = time - state.last_time
        if not suspicious:
            state.gap.learn(gap)
            state.log_gap.learn(log1p(gap))
    if time > state.last_time or not state.seen:
        state.last_time = time
    state.seen += 1
    state.remember(time, row.amount)
    if suspicious:
        state.flagged += 1
        _meet(row, state)
        return
    limit = CLIP * expected.amount_sd
    state.amount.learn(min(max(row.amount, expected.amount - limit), expected.amount + limit))
    limit = CLIP * expected.log_amount_sd
    state.log_amount.learn(min(max(row.log_amount, expected.log_amount - limit), expected.log_amount + limit))
    limit = CLIP * expected.category_sd
    state.moments_of(row.category or "").learn(
        min(max(row.log_amount, expected.category - limit), expected.category + limit)
    )
    local = clock(row, state)
    state.learn_hour(int(local // HOUR) % 24, (int(local // DAY) + 3) % 7)
    if row.merchant is not None:
        state.merchants.learn(row.merchant, MAX_MERCHANTS)
    if row.category is not None:
        state.categories.learn(row.category)
    if row.country is not None:
        state.countries.learn(row.country)
    if row.device is not None:
        state.devices.learn(row.device)
    if row.payment_method is not None:
        state.payment_methods.learn(row.payment_method)
    state.currencies.learn(row.currency)
    if row.transaction_type is not None:
        state.transaction_types.learn(row.transaction_type)
    if row.latitude is not None and row.longitude is not None and (state.place is None or time >= state.place.time):
        state.place = Place(row.latitude, row.longitude, time, row.city)


def _meet(row: Row, state: UserState) -> None:
    """Let what a suspicious transaction shows for the first time be known; twice, since once-seen values have a say
    in how likely others are."""
    for value, counts, limit in (
        (row.merchant, state.merchants, MAX_MERCHANTS),
        (row.category, state.categories, MAX_VALUES),
        (row.country, state.countries, MAX_VALUES),
        (row.device, state.devices, MAX_VALUES),
        (row.payment_method, state.payment_methods, MAX_VALUES),
        (row.currency, state.currencies, MAX_VALUES),
        (row.transaction_type, state.transaction_types, MAX_VALUES),
    ):
        if value is not None and value not in counts.of:
            counts.learn(value, limit)
            counts.learn(value, limit)
