"""What a user's state learns from a transaction, after it was scored. States and rows are as in `detectors.layout`."""

from math import isnan, log1p

from detectors import layout
from detectors.compiled import compiled
from detectors.features import FASTEST, Expectation, category_key, clock, place_of, speed
from detectors.layout import Counts, Numbers
from detectors.population import DAY, HOUR

CLIP = 3.0
"""Amounts teach at most as much as one this many standard deviations off would: winsorising."""

MEMORY = 256
"""Counts are halved at this total: habits older than a few hundred transactions fade."""

AMOUNT_MEMORY = 100
"""Running moments forget with weight 1/n, but never slower than this many transactions."""

MOVED = 1 << layout.ROW_CITY
"""In what `learn` returns: the user is in the transaction's city now."""

LOG_FASTEST = log1p(FASTEST)


@compiled
def learn(row: Numbers, keys: Counts, numbers: Numbers, counts: Counts, expected: Expectation, suspicious: bool) -> int:
    """Move the state past the transaction. Returns: which of its names are new in the state, a bit for each of `keys`.

    A suspicious one leaves the habits as they were, but for one thing: what it shows for the first time is met
    from then on, if only once, or a holiday would be flagged from its first day to its last.
    """
    time = row[layout.ROW_TIME]
    elapsed = time - numbers[layout.LAST_TIME]
    if counts[layout.SEEN] == 0:
        numbers[layout.LAST_TIME] = numbers[layout.SINCE] = time
    elif elapsed >= 0.0:
        numbers[layout.LAST_TIME] = time
        if not suspicious:
            _move(numbers, counts, layout.GAP, layout.OF_GAP, elapsed)
            _move(numbers, counts, layout.LOG_GAP, layout.OF_LOG_GAP, log1p(elapsed))
    counts[layout.SEEN] += 1
    amount, log_amount = row[layout.ROW_AMOUNT], row[layout.ROW_LOG_AMOUNT]
    # What is spent on the day after a fraud is the user's own again.
    spent = _near(amount, expected.amount, expected.amount_sd) if suspicious else amount
    _remember(numbers, counts, time, spent)
    if suspicious:
        counts[layout.FLAGGED] += 1
        new = _meet(keys, counts)
        # Whoever could have travelled there, and was nowhere else for a day, is there: a holiday is not one long alert.
        rested = counts[layout.PLACED] and time - numbers[layout.PLACE_TIME] > DAY
        if rested and speed(row, numbers, counts) < LOG_FASTEST:
            new |= _arrive(row, keys, numbers, counts)
        return new
    _move(numbers, counts, layout.AMOUNT, layout.OF_AMOUNT, _near(amount, expected.amount, expected.amount_sd))
    logged = _near(log_amount, expected.log_amount, expected.log_amount_sd)
    _move(numbers, counts, layout.LOG_AMOUNT, layout.OF_LOG_AMOUNT, logged)
    known = expected.known if expected.known >= 0 else _room_for(category_key(keys), numbers, counts)
    logged = _near(log_amount, expected.category, expected.category_sd)
    _move(numbers, counts, layout.BY_CATEGORY + 2 * known, layout.OF_CATEGORY + known, logged)
    local = clock(row, numbers, counts)
    _learn_hour(counts, int(local // HOUR) % 24, (int(local // DAY) + 3) % 7)
    new = 0
    for field in range(layout.FIELDS):
        if keys[field] != layout.MISSING_KEY and count_value(field, keys[field], counts):
            new |= 1 << field
    return new | _arrive(row, keys, numbers, counts)


@compiled
def _move(numbers: Numbers, counts: Counts, mean: int, count: int, value: float) -> None:
    """Move a running mean, and the variance after it, towards `value` with weight 1/min(n, `AMOUNT_MEMORY`)."""
    if counts[count] < AMOUNT_MEMORY:
        counts[count] += 1
    weight = 1.0 / counts[count]
    delta = value - numbers[mean]
    step = weight * delta
    numbers[mean] += step
    numbers[mean + 1] = (1.0 - weight) * (numbers[mean + 1] + step * delta)


@compiled
def _remember(numbers: Numbers, counts: Counts, time: float, amount: float) -> None:
    """Add a transaction to the recent ones, in order of event time even when it comes late."""
    known = counts[layout.KNOWN_TIMES]
    # The time stands after those that are the same, the amount before theirs.
    late = first = known
    while late > 0 and numbers[layout.TIMES + late - 1] > time:
        late -= 1
    first = late
    if late < known:
        while first > 0 and numbers[layout.TIMES + first - 1] == time:
            first -= 1
    if known < layout.RECENT:
        _shift(numbers, layout.TIMES, late, known, 1)
        _shift(numbers, layout.AMOUNTS, first, known, 1)
        counts[layout.KNOWN_TIMES] = known + 1
    else:
        # The oldest makes room, even if that is the one that came now.
        late, first = late - 1, first - 1
        _shift(numbers, layout.TIMES, 0, late, -1)
        _shift(numbers, layout.AMOUNTS, 0, first, -1)
    if late >= 0:
        numbers[layout.TIMES + late] = time
    if first >= 0:
        numbers[layout.AMOUNTS + first] = amount


@compiled
def _shift(numbers: Numbers, start: int, first: int, last: int, by: int) -> None:
    """Make room at `first` by moving up what is before `last`, or at `last` by moving down what is after `first`."""
    if by > 0:
        for index in range(start + last, start + first, -1):
            numbers[index] = numbers[index - 1]
    else:
        for index in range(start + first, start + last):
            numbers[index] = numbers[index + 1]


@compiled
def _room_for(category: int, numbers: Numbers, counts: Counts) -> int:
    """The place of a new category; the least used one makes room."""
    known = counts[layout.KNOWN_CATEGORIES]
    keys, of, means = layout.CATEGORY_KEYS, layout.OF_CATEGORY, layout.BY_CATEGORY
    if known == layout.MAX_VALUES:
        known -= 1
        for index in range(_rarest(counts, of, known + 1), known):
            counts[keys + index], counts[of + index] = counts[keys + index + 1], counts[of + index + 1]
            numbers[means + 2 * index] = numbers[means + 2 * index + 2]
            numbers[means + 2 * index + 1] = numbers[means + 2 * index + 3]
    counts[keys + known], counts[of + known] = category, 0
    numbers[means + 2 * known], numbers[means + 2 * known + 1] = 0.0, 0.0
    counts[layout.KNOWN_CATEGORIES] = known + 1
    return int(known)


@compiled
def _rarest(counts: Counts, start: int, known: int) -> int:
    """The first of the least of so many counts."""
    rarest = 0
    for index in range(1, known):
        if counts[start + index] < counts[start + rarest]:
            rarest = index
    return rarest


@compiled
def _learn_hour(counts: Counts, hour: int, weekday: int) -> None:
    """Count an hour of the day and a weekday (Monday is 0)."""
    counts[layout.HOURS + hour] += 1
    counts[layout.WEEKDAYS + weekday] += 1
    if counts[layout.HOURS + hour] >= MEMORY:
        for index in range(layout.HOURS, layout.WEEKDAYS + 7):
            counts[index] >>= 1


@compiled
def count_value(field: int, key: int, counts: Counts) -> bool:
    """Count a value of a field; the rarest makes room. Returns: whether it is new."""
    start, limit = layout.STARTS[field], layout.LIMITS[field]
    keys, seen = start + 2, start + 2 + limit
    known, total = counts[start], counts[start + 1] + 1
    place = place_of(field, key, counts)
    if place >= 0:
        counts[seen + place] += 1
    else:
        if known == limit:
            known -= 1
            rarest = _rarest(counts, seen, limit)
            total -= counts[seen + rarest]
            for index in range(rarest, known):
                counts[keys + index], counts[seen + index] = counts[keys + index + 1], counts[seen + index + 1]
        counts[keys + known], counts[seen + known] = key, 1
        known += 1
    if total >= MEMORY:
        kept = total = 0
        for index in range(known):
            if counts[seen + index] > 1:
                counts[keys + kept], counts[seen + kept] = counts[keys + index], counts[seen + index] >> 1
                total += counts[seen + kept]
                kept += 1
        known = kept
    counts[start], counts[start + 1] = known, total
    return place < 0


@compiled
def _arrive(row: Numbers, keys: Counts, numbers: Numbers, counts: Counts) -> int:
    """Let the user be where the transaction was, if that is known. Returns: `MOVED` or 0."""
    latitude, longitude, time = row[layout.ROW_LATITUDE], row[layout.ROW_LONGITUDE], row[layout.ROW_TIME]
    if isnan(latitude) or isnan(longitude) or (counts[layout.PLACED] and time < numbers[layout.PLACE_TIME]):
        return 0
    counts[layout.PLACED], counts[layout.CITY] = 1, keys[layout.ROW_CITY]
    numbers[layout.LATITUDE], numbers[layout.LONGITUDE], numbers[layout.PLACE_TIME] = latitude, longitude, time
    return MOVED


@compiled
def _near(value: float, usual: float, sd: float) -> float:
    """`value`, or the end of `usual` +- `CLIP` sd that it lies beyond."""
    limit = CLIP * sd
    if value > usual + limit:
        return usual + limit
    return value if value >= usual - limit else usual - limit


@compiled
def _meet(keys: Counts, counts: Counts) -> int:
    """Let what a suspicious transaction shows for the first time be known; twice, since once-seen values have a say
    in how likely others are."""
    new = 0
    for field in range(layout.FIELDS):
        if keys[field] != layout.MISSING_KEY and place_of(field, keys[field], counts) < 0:
            count_value(field, keys[field], counts)
            count_value(field, keys[field], counts)
            new |= 1 << field
    return new
