"""Why a transaction scored as it did: each feature's share of the score, in sentences for an analyst."""

from datetime import UTC, datetime
from math import expm1

from detectors.features import (
    FEATURES,
    Expectation,
    clock,
    crowd,
    distance,
    recent_spend,
    spend_span,
)
from detectors.feedback import NO_FEEDBACK, Feedback, Tolerance
from detectors.population import DAY, HOUR
from detectors.rates import EUR_PER_UNIT
from detectors.row import Row
from detectors.state import Counts, UserState
from domain.verdict import Factor, Reason

NEEDED = 20
"""Transactions after which a user stands on their own history rather than on the population's."""

EXPLAINED = 0.02
"""Contributions from here on are worth a sentence: two hundredths of the score can be seen."""

MEMORY_INDEX, RISK_INDEX = len(FEATURES), len(FEATURES) + 1
"""The shares that come from this user's recent suspicion and from frauds confirmed at the merchant."""

_NAMED: list[tuple[str, Factor]] = [(feature.name, feature.factor) for feature in FEATURES]
_NAMED += [("recent_suspicion", "frequency"), ("merchant_risk", "merchant")]


def named(shares: list[float]) -> dict[str, float]:
    """The shares that are not 0, as parts of 1, by name."""
    total = sum(shares)
    return {_NAMED[index][0]: share / total for index, share in enumerate(shares) if share > 0.0}


def brief(score: float, shares: list[float]) -> tuple[Reason, ...]:
    """The two strongest reasons without sentences; together they carry the whole score.

    `shares` has one non-negative value for each of `FEATURES`, for memory and for the merchant; it is used up.
    """
    first = max(shares)
    if first <= 0.0:
        return (Reason("amount_user", "amount", score),)
    strongest = shares.index(first)
    shares[strongest] = 0.0
    second = max(shares)
    name, factor = _NAMED[strongest]
    if second <= 0.0:
        return (Reason(name, factor, score),)
    part = score * first / (first + second)
    other, other_factor = _NAMED[shares.index(second)]
    return (Reason(name, factor, part), Reason(other, other_factor, score - part))


def full(
    score: float,
    shares: list[float],
    row: Row,
    amount: str,
    state: UserState,
    expected: Expectation,
    feedback: Feedback = NO_FEEDBACK,
) -> tuple[Reason, ...]:
    """Every reason with a share, strongest first, those that matter in sentences; call it before `learn`.

    `amount` is the transaction's amount as it is shown, in its own currency.
    """
    total = sum(shares)
    order = sorted((index for index, share in enumerate(shares) if share > 0.0), key=lambda i: -shares[i])
    if not order:
        return (_told(0, score, row, amount, state, expected, feedback),)
    reasons = []
    left = score
    for index in order[1:]:
        part = score * shares[index] / total
        left -= part
        if part >= EXPLAINED:
            reasons.append(_told(index, part, row, amount, state, expected, feedback))
        else:
            reasons.append(Reason(*_NAMED[index], part))
    # The strongest takes the rounding, so that the contributions sum to the score.
    return (_told(order[0], left, row, amount, state, expected, feedback), *reasons)


def spared(tolerance: Tolerance, usual: float, threshold: float) -> Reason:
    """What a false positive changed: the bar for these reasons, without a share of the score."""
    end = f"{datetime.fromtimestamp(tolerance.until, UTC):%Y-%m-%d}"
    text = (
        f"bar raised from {usual:.2f} to {threshold:.2f} until {end}: {tolerance.transaction_id} was a false positive"
    )
    return Reason("tolerated", tolerance.factor, 0.0, f"{threshold:.2f}", f"{usual:.2f}", text)


def _told(
    index: int, contribution: float, row: Row, amount: str, state: UserState, expected: Expectation, feedback: Feedback
) -> Reason:
    if index == RISK_INDEX:
        seen, confirmed = feedback.seen.get(row.merchant or "", 0), feedback.confirmed.get(row.merchant or "", 0)
        observed = f"{confirmed} of {max(seen, confirmed)}"
        text = f"{observed} transactions at this merchant 8 to 15 days before were confirmed as fraud"
        return Reason(*_NAMED[index], contribution, observed, "none", text)
    if index == MEMORY_INDEX:
        text = "other suspicious transactions of this user in the last day"
        return Reason(*_NAMED[index], contribution, "", "", text)
    observed, usual, text = _sentence(_NAMED[index][0], row, amount, state, expected)
    if state.seen < NEEDED:
        text = f"{text} ({state.seen}/{NEEDED} transactions, using population)"
    return Reason(*_NAMED[index], contribution, observed, usual, text)


def _sentence(name: str, row: Row, amount: str, state: UserState, expected: Expectation) -> tuple[str, str, str]:
    if name.startswith("amount"):
        return _amount(name, row, amount, expected)
    if name == "hour":
        moment, local = datetime.fromtimestamp(row.time, UTC), datetime.fromtimestamp(clock(row, state), UTC)
        around = hours_around(state.hours, local.hour)
        shown = f"{moment:%H:%M} UTC"
        if local != moment:
            shown += f" ({local:%H:%M} by the sun)"
        return (
            shown,
            f"{around:.1%} of transactions",
            f"at {shown}, an hour with {around:.1%} of this user's transactions",
        )
    if name == "travel":
        return _travel(row, state)
    if name in ("spend_day", "burst_hour", "gap"):
        return _pace(name, row, state, expected)
    return _novelty(name, row, state)


def _amount(name: str, row: Row, amount: str, expected: Expectation) -> tuple[str, str, str]:
    rate = EUR_PER_UNIT.get(row.currency, 1.0)
    where = row.category or "purchases"
    if name == "amount_user":
        usual, whose = expected.amount, "this user's usual"
    elif name.startswith("amount_user_category"):
        usual = _amount_of_log(expected.category)
        whose = f"this user's usual in {row.category}" if row.category else "this user's typical"
    elif name == "amount_population":
        usual, whose = _amount_of_log(expected.log_amount), "this user's typical"
    else:
        usual, whose = _amount_of_log(expected.category), f"the usual in {where}"
    shown = f"{usual / rate:,.2f}"
    times = row.amount / usual if usual > 0.0 else 0.0
    if times >= 10.0:
        compared = f"{times:,.0f} times {whose} {shown}"
    elif times >= 1.1:
        compared = f"{times:.1f} times {whose} {shown}"
    elif 0.0 < times < 0.9:
        compared = f"a {1.0 / times:,.0f}th of {whose} {shown}" if times < 0.5 else f"below {whose} {shown}"
    else:
        compared = f"{whose} is {shown}"
    return f"{amount} {row.currency}", f"{shown} {row.currency}", f"{amount} {row.currency}, {compared}"


def _amount_of_log(value: float) -> float:
    return expm1(min(value, 40.0))


def _travel(row: Row, state: UserState) -> tuple[str, str, str]:
    place = state.place
    if place is None or row.latitude is None or row.longitude is None:
        return "", "", ""
    km = distance(row.latitude, row.longitude, place)
    seconds = row.time - place.time
    pace = f"{km * HOUR / max(seconds, 60.0):,.0f} km/h"
    since = place.city or f"{place.latitude:.1f}, {place.longitude:.1f}"
    return pace, "under 900 km/h", f"{pace} since {since} {duration(seconds)} ago"


def duration(seconds: float) -> str:
    """A duration in the one unit a person would use."""
    for length, unit in ((DAY, "day"), (HOUR, "hour"), (60.0, "minute")):
        if seconds >= length:
            count = round(seconds / length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:.0f} seconds" if seconds >= 1.0 else "less than a second"


def _pace(name: str, row: Row, state: UserState, expected: Expectation) -> tuple[str, str, str]:
    if name == "gap":
        gap = duration(max(row.time - state.last_time, 0.0))
        usual = duration(expected.gap)
        return gap, usual, f"{gap} after the one before, usually {usual}"
    if name == "burst_hour":
        _, before = crowd(state.times, row.time, expected.gap)
        within = duration(row.time - state.times[-before]) if before else ""
        usual = f"one in {duration(expected.gap)}"
        return f"{before + 1} in {within}", usual, f"{before + 1} transactions within {within}, usually {usual}"
    rate = EUR_PER_UNIT.get(row.currency, 1.0)
    span = spend_span(expected.gap)
    spend = recent_spend(state, row.time, expected.gap)
    spent = f"{(spend + row.amount) / rate:,.2f} {row.currency}"
    usual = f"{span / expected.gap * expected.amount / rate:,.2f}"
    return spent, f"{usual} {row.currency}", f"{spent} spent within {duration(span)}, usually {usual}"


def _novelty(name: str, row: Row, state: UserState) -> tuple[str, str, str]:
    value, counts, what = _habit(name, row, state)
    seen = counts.of.get(value, 0)
    if seen == 0:
        text = f"first time in {what} {value}" if name == "category" else f"first {what} {value}"
        return value, _most(counts), text if not counts.of else f"{text}, usually {_most(counts)}"
    share = seen / max(counts.total, 1)
    return value, _most(counts), f"{what} {value}, {share:.0%} of this user's transactions"


def _habit(name: str, row: Row, state: UserState) -> tuple[str, Counts, str]:
    if name == "merchant":
        return row.merchant or "", state.merchants, "merchant"
    if name == "category":
        return row.category or "", state.categories, "category"
    if name == "country":
        return row.country or "", state.countries, "country"
    if name == "device":
        return row.device or "", state.devices, "device"
    if name == "payment_method":
        return row.payment_method or "", state.payment_methods, "payment method"
    if name == "currency":
        return row.currency, state.currencies, "currency"
    return row.transaction_type or "", state.transaction_types, "transaction type"


def _most(counts: Counts) -> str:
    return max(counts.of, key=counts.of.__getitem__) if counts.of else ""


def hours_around(hours: list[int], hour: int) -> float:
    """The share of transactions within an hour of `hour`; 0 before the first."""
    total = sum(hours)
    return (hours[hour - 1] + hours[hour] + hours[(hour + 1) % 24]) / total if total else 0.0
