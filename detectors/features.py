"""The enhanced detector's features: what one transaction looks like against its user's own habits.

`measure` only reads a state; `detectors.learning` moves it. Every feature is larger the stranger the transaction
is; `MISSING` is neutral. A state is its row of numbers and its row of counts, a transaction its row of numbers and its
row of keys, all as in `detectors.layout`.
"""

from math import asin, cos, inf, isnan, lgamma, log, log1p, log10, radians, sin, sqrt
from typing import NamedTuple

import numpy as np

from detectors import layout
from detectors.compiled import compiled
from detectors.layout import Counts, Numbers
from detectors.population import DAY, HOUR, SECONDS_PER_DEGREE, Usual, settled, smoothed
from domain.verdict import Factor

MISSING = float("-inf")
EARTH_RADIUS = 6371.0
FASTEST = 900.0
"""Kilometres an hour of an airliner: what is faster needs two people."""

SETTLED = 7.0
"""Transactions after which half of a user's habits in a field count as known."""

BUSY_SPEND, BUSY_COUNT = 16.0, 8.0
SCANNED = (1, 2, 3, 4, 6, 8)
"""Among so many of the last transactions a burst is looked for; closer at first, where each one counts."""


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

_LOG_FACTORIAL = np.array([lgamma(count + 1.0) for count in range(SCANNED[-1] + 1)])
LN10 = log(10.0)
EVEN_HOURS = log10(24.0)


class Expectation(NamedTuple):
    """What the user's habits, shrunk to the population, led to expect: means and standard deviations.

    `gap` is the mean number of seconds between two transactions. `known` is the place of the transaction's category
    among the user's, -1 for a new one.
    """

    amount: float
    amount_sd: float
    log_amount: float
    log_amount_sd: float
    category: float
    category_sd: float
    gap: float
    known: int


@compiled
def expectation(row: Numbers, keys: Counts, numbers: Numbers, counts: Counts, usual: Usual) -> Expectation:
    """The amount this user was expected to spend here, in euros and in logarithms."""
    n = counts[layout.OF_AMOUNT]
    amount = (n * numbers[layout.AMOUNT] + 2.0 * usual.amount_mean) / (n + 2.0)
    if amount < 0.01:
        amount = 0.01
    variance = (n * numbers[layout.AMOUNT + 1] + 10.0 * usual.amount_cv2 * amount * amount) / (n + 10.0)

    at = layout.LOG_AMOUNT
    mean, spread = _shrunk(
        counts[layout.OF_LOG_AMOUNT], numbers[at], numbers[at + 1], usual.log_amount, usual.log_amount_variance
    )
    known = -1
    for index in range(counts[layout.KNOWN_CATEGORIES]):
        if counts[layout.CATEGORY_KEYS + index] == category_key(keys):
            known = index
            break
    category, category_spread = row[layout.ROW_MEAN], row[layout.ROW_VARIANCE]
    if known >= 0:
        at = layout.BY_CATEGORY + 2 * known
        category, category_spread = _shrunk(
            counts[layout.OF_CATEGORY + known], numbers[at], numbers[at + 1], category, category_spread
        )
    n = counts[layout.OF_GAP]
    gap = (n * numbers[layout.GAP] + 3.0 * usual.mean_gap) / (n + 3.0)
    return Expectation(amount, sqrt(variance), mean, sqrt(spread), category, sqrt(category_spread), gap + 1.0, known)


@compiled
def category_key(keys: Counts) -> int:
    """The key that the amounts of the transaction's category are kept under; none is the empty name."""
    key = keys[layout.CATEGORY]
    return layout.EMPTY_KEY if key == layout.MISSING_KEY else key


@compiled
def _shrunk(n: int, mean: float, variance: float, parent_mean: float, parent_variance: float) -> tuple[float, float]:
    """Mean and variance, as if five of the observations had been the parent's."""
    total = n + 5.0
    return (
        (n * mean + 5.0 * parent_mean) / total,
        (n * variance + 5.0 * parent_variance) / total + 0.0025,
    )


@compiled
def measure(
    row: Numbers,
    keys: Counts,
    numbers: Numbers,
    counts: Counts,
    usual: Usual,
    expected: Expectation,
    values: Numbers,
) -> None:
    """Write the values of `FEATURES`, in that order."""
    log_amount = row[layout.ROW_LOG_AMOUNT]
    in_category = (log_amount - row[layout.ROW_MEAN]) / sqrt(row[layout.ROW_VARIANCE])
    for_user = (log_amount - expected.category) / expected.category_sd
    values[0] = (row[layout.ROW_AMOUNT] - expected.amount) / expected.amount_sd
    values[1] = in_category
    values[2] = -in_category
    values[3] = for_user
    values[4] = -for_user
    values[5] = (log_amount - usual.log_amount) / sqrt(usual.log_amount_variance)
    values[6], values[7], values[8] = _pace(row, numbers, counts, usual, expected)
    hour = int(clock(row, numbers, counts) // HOUR) % 24
    values[9] = _novelty(layout.MERCHANT, row, keys, counts, usual, True)
    values[10] = _novelty(layout.CATEGORY, row, keys, counts, usual, False)
    known = row[layout.ROW_TIME] - numbers[layout.SINCE] if counts[layout.SEEN] > 0 else 0.0
    values[11] = _odd_hour(hour, counts[layout.HOURS : layout.HOURS + 24], usual.hours[hour], known)
    values[12] = _novelty(layout.COUNTRY, row, keys, counts, usual, False)
    values[13] = _novelty(layout.DEVICE, row, keys, counts, usual, False)
    values[14] = _novelty(layout.PAYMENT_METHOD, row, keys, counts, usual, False)
    values[15] = _novelty(layout.CURRENCY, row, keys, counts, usual, False)
    values[16] = _novelty(layout.TRANSACTION_TYPE, row, keys, counts, usual, False)
    values[17] = speed(row, numbers, counts)


@compiled
def _pace(
    row: Numbers, numbers: Numbers, counts: Counts, usual: Usual, expected: Expectation
) -> tuple[float, float, float]:
    """Recent spend in standard deviations, -log10 tail of the recent count, shortness of the gap in sd."""
    recent = counts[layout.KNOWN_TIMES]
    if recent == 0:
        return MISSING, MISSING, MISSING
    now, gap, mean, sd = row[layout.ROW_TIME], expected.gap, expected.amount, expected.amount_sd
    number = spend_span(gap) / gap
    spend = recent_spend(numbers, recent, now, gap) + row[layout.ROW_AMOUNT]
    spent = (spend - number * mean) / sqrt((number + 1.0) * (sd * sd + mean * mean))
    crowded, _ = crowd(numbers, recent, now, gap)
    elapsed = now - numbers[layout.LAST_TIME]
    if elapsed < 0.0:
        return spent, crowded, MISSING
    at = layout.LOG_GAP
    typical, spread = _shrunk(
        counts[layout.OF_LOG_GAP], numbers[at], numbers[at + 1], usual.log_gap, usual.log_gap_variance
    )
    return spent, crowded, (typical - log1p(elapsed)) / sqrt(spread)


@compiled
def spend_span(gap: float) -> float:
    """Seconds over which spend is summed: a day, or what a user who is busier than that does 16 times."""
    span = BUSY_SPEND * gap
    return span if span < DAY else DAY


@compiled
def count_span(gap: float) -> float:
    """Seconds within which transactions belong to one episode: an hour, or what a busier user does 8 times."""
    span = BUSY_COUNT * gap
    return span if span < HOUR else HOUR


@compiled
def recent_spend(numbers: Numbers, recent: int, now: float, gap: float) -> float:
    """Euros spent in the `spend_span` before `now` by a user with this usual gap and so many recent transactions."""
    since = now - spend_span(gap)
    spend = 0.0
    for index in range(recent):
        time = numbers[layout.TIMES + index]
        # Only a late event finds transactions after it.
        if since <= time <= now:
            spend += numbers[layout.AMOUNTS + index]
    return spend


@compiled
def crowd(numbers: Numbers, recent: int, now: float, gap: float) -> tuple[float, int]:
    """The least likely crowd before `now` among the last few transactions, for a user with this usual gap.

    Returns: -log10 of its probability, and how many transactions before this one belong to it; (0, 0) for none.
    Source: Naus, "The distribution of the size of the maximum cluster of points on a line", JASA 1965.
    """
    found, members = 0.0, 0
    # Clocks are not exact to the second; a terminal that pays for its users all day has other seconds than they.
    least = min(10.0, 0.05 * gap)
    for count in SCANNED:
        if recent < count:
            break
        span = now - numbers[layout.TIMES + recent - count]
        expected = 1.5 * (span if span > least else least) / gap
        if expected < count and span >= 0.0:
            tail = _poisson_tail(count, expected)
            if tail > found:
                found, members = tail, count
    return found, members


@compiled
def _poisson_tail(count: int, rate: float) -> float:
    """-log10 P(X >= count) for a `rate` below `count`, by its leading terms; 0 or less where it is no surprise."""
    return float((_LOG_FACTORIAL[count] + rate - log(rate ** float(count) / (1.0 - rate / (count + 1.0)))) / LN10)


@compiled
def place_of(field: int, key: int, counts: Counts) -> int:
    """Where a value stands among those known of a field, counted from 0; -1 where it does not."""
    start = layout.STARTS[field]
    for index in range(counts[start]):
        if counts[start + 2 + index] == key:
            return index
    return -1


@compiled
def _novelty(field: int, row: Numbers, keys: Counts, counts: Counts, usual: Usual, open_ended: bool) -> float:
    """-log10 of the value's probability for this user, backing off to the population.

    A known value's share is Witten-Bell's; a new one has its part of the probability that Good and Turing leave to
    all new values, the share of values seen once: for a user who often tries new things, one more is no surprise. Of
    `open_ended` fields more values come than a state keeps, and new ones too have Witten-Bell's share.

    A value in more than half of the transactions is no news at all: 0, however long the user is known. Nor is
    anything for a user of whom nothing is known; novelty grows as habits settle.
    """
    key = keys[field]
    if key == layout.MISSING_KEY:
        return MISSING
    start = layout.STARTS[field]
    known, total = counts[start], counts[start + 1]
    seen = start + 2 + layout.LIMITS[field]
    place = place_of(field, key, counts)
    count = counts[seen + place] if place >= 0 else 0
    if 2 * count > total + known + 1:
        # More than half whatever the population does: most transactions end here.
        return 0.0
    share = row[layout.ROW_SHARES + field]
    if place < 0 and not open_ended:
        once = 0
        for index in range(known):
            if counts[seen + index] == 1:
                once += 1
        likely = (once + 0.5) / (total + 1.0) * min(share, 1.0 / (usual.known[field] + 1))
    else:
        back_off = known + 1.0
        likely = (count + back_off * share) / (total + back_off)
    return -log10(likely) * total / (total + SETTLED) if likely < 0.5 else 0.0


@compiled
def _odd_hour(hour: int, hours: Counts, near: float, known: float) -> float:
    """-log10 of the hour's probability under a circular kernel; `near` is the population's, worth 1.5 observations.

    All hours are even for a user known for a day, in seconds, and less so up to the third (`settled`).
    """
    told = settled(known)
    if told == 0.0:
        return EVEN_HOURS
    novelty = -log10((smoothed(hours, hour) + 1.5 * near) / (hours.sum() + 1.5))
    return EVEN_HOURS + told * (novelty - EVEN_HOURS)


@compiled
def clock(row: Numbers, numbers: Numbers, counts: Counts) -> float:
    """The time by the sun where the user is, in seconds since 1970; UTC as long as no place is known.

    Habits of the hour travel with the user.
    """
    if not isnan(row[layout.ROW_LONGITUDE]):
        return float(row[layout.ROW_TIME] + row[layout.ROW_LONGITUDE] * SECONDS_PER_DEGREE)
    if counts[layout.PLACED]:
        return float(row[layout.ROW_TIME] + numbers[layout.LONGITUDE] * SECONDS_PER_DEGREE)
    return float(row[layout.ROW_TIME])


@compiled
def distance(row: Numbers, numbers: Numbers) -> float:
    """Kilometres between the transaction and the user's place along the great circle (haversine)."""
    phi, psi = radians(row[layout.ROW_LATITUDE]), radians(numbers[layout.LATITUDE])
    north = sin((phi - psi) / 2.0)
    east = sin(radians(row[layout.ROW_LONGITUDE] - numbers[layout.LONGITUDE]) / 2.0)
    half = north * north + cos(phi) * cos(psi) * (east * east)
    return 2.0 * EARTH_RADIUS * asin(sqrt(half if half < 1.0 else 1.0))


@compiled
def speed(row: Numbers, numbers: Numbers, counts: Counts) -> float:
    """ln(1 + km/h) since the last known place; within 30 km, or against the clock, it says nothing."""
    elapsed = row[layout.ROW_TIME] - numbers[layout.PLACE_TIME]
    latitude, longitude = row[layout.ROW_LATITUDE], row[layout.ROW_LONGITUDE]
    if not counts[layout.PLACED] or isnan(latitude) or isnan(longitude) or elapsed < 0.0:
        return MISSING
    if latitude == numbers[layout.LATITUDE] and longitude == numbers[layout.LONGITUDE]:
        return 0.0
    far = distance(row, numbers) - 30.0
    if far <= 0.0:
        return 0.0
    # Five minutes: terminals' clocks differ, and two cities in one second say no more than in a minute.
    return log1p(far * HOUR / max(elapsed, 300.0))
