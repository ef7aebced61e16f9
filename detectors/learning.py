"""What a user's state learns from a transaction, after it was scored."""

from math import log1p

from detectors.features import Expectation, clock
from detectors.inputs import Inputs
from detectors.population import DAY, HOUR
from detectors.state import MAX_MERCHANTS, MAX_VALUES, Place, UserState

CLIP = 3.0
"""Amounts teach at most as much as one this many standard deviations off would: winsorising."""


def learn(row: Inputs, state: UserState, expected: Expectation, suspicious: bool) -> None:
    """Move the state past the transaction.

    A suspicious one leaves the habits as they were, but for one thing: what it shows for the first time is met
    from then on, if only once, or a holiday would be flagged from its first day to its last.
    """
    time = row.time
    elapsed = time - state.last_time
    if not state.seen:
        state.last_time = time
    elif elapsed >= 0.0:
        state.last_time = time
        if not suspicious:
            state.gap.learn(elapsed)
            state.log_gap.learn(log1p(elapsed))
    state.seen += 1
    state.remember(time, row.amount)
    if suspicious:
        state.flagged += 1
        _meet(row, state)
        return
    log_amount = row.log_amount
    state.amount.learn(_near(row.amount, expected.amount, expected.amount_sd))
    state.log_amount.learn(_near(log_amount, expected.log_amount, expected.log_amount_sd))
    state.moments_of(row.category or "").learn(_near(log_amount, expected.category, expected.category_sd))
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
    if row.latitude is None or row.longitude is None:
        return
    place = state.place
    if place is None:
        state.place = Place(row.latitude, row.longitude, time, row.city)
    elif time >= place.time:
        place.latitude, place.longitude, place.time, place.city = row.latitude, row.longitude, time, row.city


def _near(value: float, usual: float, sd: float) -> float:
    """`value`, or the end of `usual` +- `CLIP` sd that it lies beyond."""
    limit = CLIP * sd
    if value > usual + limit:
        return usual + limit
    return value if value >= usual - limit else usual - limit


def _meet(row: Inputs, state: UserState) -> None:
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
