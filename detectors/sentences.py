"""What each of the enhanced detector's features says of a transaction, in sentences for an analyst."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import expm1
from typing import NamedTuple

from detectors import layout
from detectors.features import Expectation, clock, crowd, distance, recent_spend, speed, spend_span
from detectors.habits import Seen
from detectors.inputs import Inputs
from detectors.layout import Numbers
from detectors.population import DAY, HOUR, Normal, Population
from detectors.rates import EUR_PER_UNIT
from detectors.state import UserState
from domain.currency import CURRENCIES, UNCOINED, exponent
from domain.transaction import Transaction

NEEDED = 20
"""Transactions after which a user stands on their own history rather than on the population's."""


_APART = timedelta(minutes=30)
"""Solar time that differs less from UTC is not worth a second time in a sentence."""

_COINED = CURRENCIES - UNCOINED


class Situation(NamedTuple):
    """A transaction, its user's state before it, and what that and the population led to expect.

    `numbers` is the transaction's row, as in `detectors.layout`.
    """

    transaction: Transaction
    row: Inputs
    state: UserState
    expected: Expectation
    population: Population
    numbers: Numbers


class Said(NamedTuple):
    """A sentence, with what was observed and what was expected apart."""

    observed: str
    expected: str
    text: str


def sentence(feature: str, situation: Situation) -> Said:
    """What a feature says; where the user is new, also that the population stands in for habits."""
    said = _said(feature, situation)
    seen = situation.state.seen
    if seen >= NEEDED or feature == "travel":
        return said
    return said._replace(text=f"{said.text} ({seen}/{NEEDED} transactions, using population)")


def _said(feature: str, situation: Situation) -> Said:
    if feature.startswith("amount"):
        return _amount(feature, situation)
    if feature == "hour":
        return _hour(situation)
    if feature == "travel":
        return _travel(situation)
    if feature == "spend_day":
        return _spend(situation)
    if feature == "burst_hour":
        return _burst(situation)
    if feature == "gap":
        return _gap(situation)
    return _novelty(feature, situation)


def money(amount: Decimal | float, currency: str) -> str:
    """An amount as people write it: grouped, with the decimals of its currency."""
    return f"{amount:,.{shown_decimals(currency)}f} {currency}"


def shown_decimals(currency: str) -> int:
    """Those of the currency; two where it has no minor unit of its own."""
    return exponent(currency) if currency in _COINED else 2


def percent(share: float) -> str:
    """A share in words that are true of small ones too."""
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"


def _amount(feature: str, situation: Situation) -> Said:
    transaction, row, state, expected, population, _ = situation
    where = f" in {row.category}" if row.category and "category" in feature else ""
    # Without habits of the user's own the figure is the population's, and is called so.
    own = False
    if feature == "amount_population":
        usual = _of_log(population.log_amount.mean)
    elif feature in ("amount_category", "amount_category_low"):
        usual = _of_log(_typical(row, population).mean)
    elif feature == "amount_user":
        usual, own = expected.amount, bool(state.counts[layout.OF_AMOUNT])
    else:
        usual, own = _of_log(expected.category), expected.known >= 0
    who = "this user usually spends" if own else "users usually spend"
    spent = money(transaction.amount, row.currency)
    shown = money(usual / EUR_PER_UNIT.get(row.currency, 1.0), row.currency)
    times = row.amount / usual if usual > 0.0 else 0.0
    if times >= 1.1:
        text = f"{spent} is {times:,.{0 if times >= 10.0 else 1}f} times what {who}{where} ({shown})"
    else:
        text = f"{spent}, where {who} {shown}{where}"
    return Said(spent, shown, text)


def _typical(row: Inputs, population: Population) -> Normal:
    return population.by_category.get(row.category or "") or population.log_amount


def _of_log(value: float) -> float:
    """The amount of a `signed_log`."""
    return expm1(min(value, 40.0)) if value >= 0.0 else -expm1(min(-value, 40.0))


def _spend(situation: Situation) -> Said:
    row, state, expected = situation.row, situation.state, situation.expected
    rate = EUR_PER_UNIT.get(row.currency, 1.0)
    span = spend_span(expected.gap)
    spent = money(
        (recent_spend(state.numbers, state.counts[layout.KNOWN_TIMES], row.time, expected.gap) + row.amount) / rate,
        row.currency,
    )
    usual = money(span / expected.gap * expected.amount / rate, row.currency)
    within = duration(span)
    return Said(spent, usual, f"{spent} spent within {within}; this user usually spends {usual} in that time")


def _burst(situation: Situation) -> Said:
    row, times, expected = situation.row, situation.state.times(), situation.expected
    _, before = crowd(situation.state.numbers, len(times), row.time, expected.gap)
    within = duration(row.time - times[-before]) if before else ""
    usual = f"one every {duration(expected.gap).removeprefix('1 ')}"
    observed = f"{before + 1} transactions within {within}"
    return Said(observed, usual, f"{observed}; this user usually makes {usual}")


def _gap(situation: Situation) -> Said:
    row, expected = situation.row, situation.expected
    last = float(situation.state.numbers[layout.LAST_TIME])
    gap, usual = duration(max(row.time - last, 0.0)), duration(expected.gap)
    return Said(gap, usual, f"{gap} after this user's previous transaction; the usual gap is {usual}")


def duration(seconds: float) -> str:
    """A duration in the one unit a person would use."""
    for length, unit in ((DAY, "day"), (HOUR, "hour"), (60.0, "minute"), (1.0, "second")):
        if seconds >= length:
            count = round(seconds / length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a second"


def _hour(situation: Situation) -> Said:
    state, population = situation.state, situation.population
    hours = state.hours()
    moment = datetime.fromtimestamp(situation.row.time, UTC)
    local = datetime.fromtimestamp(clock(situation.numbers, state.numbers, state.counts), UTC)
    shown = f"{moment:%H:%M} UTC"
    if abs(local - moment) >= _APART:
        shown += f" ({local:%H:%M} solar time)"
    between = f"between {(local.hour - 1) % 24:02}:00 and {(local.hour + 2) % 24:02}:00"
    known = any(hours)
    around = hours_around(hours if known else population.hours, local.hour)
    whose = "this user's" if known else "all"
    share = percent(around) if around else "none"
    return Said(shown, f"{share} {between}", f"at {shown}; {share} of {whose} transactions are {between}")


def hours_around(hours: list[int] | tuple[float, ...], hour: int) -> float:
    """The share of transactions within an hour of `hour`; 0 before the first."""
    total = sum(hours)
    return (hours[hour - 1] + hours[hour] + hours[(hour + 1) % 24]) / total if total else 0.0


def _travel(situation: Situation) -> Said:
    row, state = situation.row, situation.state
    place = state.place()
    if place is None or row.latitude is None or row.longitude is None:
        return Said("", "", "")
    # The feature's own speed: it allows for clocks and for the size of cities, so it is the least there was.
    pace = f"at least {expm1(speed(situation.numbers, state.numbers, state.counts)):,.0f} km/h"
    since = place.city or f"{place.latitude:.1f}, {place.longitude:.1f}"
    km = distance(situation.numbers, state.numbers)
    before = duration(row.time - place.time)
    text = f"{km:,.0f} km from {since}, where this user was {before} before: {pace}, faster than an airliner"
    return Said(pace, "under 900 km/h", text)


_NOUNS = {
    "merchant": ("merchant", "at"),
    "category": ("category", "in"),
    "country": ("country", "in"),
    "device": ("device", "with"),
    "payment_method": ("payment method", "by"),
    "currency": ("currency", "in"),
    "transaction_type": ("transaction type", "of type"),
}


_FIELDS = tuple(_NOUNS)
"""The fields whose values are counted, in the order of `detectors.layout`."""


def most_frequent(counts: Seen) -> str:
    """The value seen most; empty before the first."""
    return max(counts.of, key=counts.of.__getitem__) if counts.of else ""


def _novelty(feature: str, situation: Situation) -> Said:
    noun, preposition = _NOUNS[feature]
    value = getattr(situation.row, feature) or ""
    counts = situation.state.values(_FIELDS.index(feature))
    most = most_frequent(counts)
    shown, usual = value, f"usually {most}" if most and most != value else ""
    if feature == "merchant":
        # A name says more than the id that a profile keeps; and nobody has one merchant that is the usual one.
        shown, usual = situation.transaction.merchant.name or value, ""
    seen = counts.of.get(value, 0)
    if seen:
        share = percent(seen / max(counts.total, 1))
        only = "" if share.startswith("less") else "only "
        text = f"{only}{share} of this user's transactions are {preposition} {shown}"
    else:
        text = f"new {noun} for this user: {shown}"
    return Said(value, most, f"{text}, {usual}" if usual else text)
