"""What a flagged transaction would have had to be, in one field, not to be flagged.

Found by scoring it again with that field changed, against its user's state before it. Source: Wachter, Mittelstadt,
Russell, "Counterfactual explanations without opening the black box", Harvard Journal of Law & Technology, 2018.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from decimal import Decimal
from math import log2
from typing import NamedTuple

from msgspec.structs import replace

from detectors.enhanced import EnhancedModel
from detectors.feedback import NO_FEEDBACK, Feedback
from detectors.habits import Habits
from detectors.inputs import merchant_of
from detectors.rates import EUR_PER_UNIT
from detectors.sentences import duration, money, most_frequent, shown_decimals
from detectors.state import UserState
from domain.transaction import Device, Location, Transaction
from domain.verdict import Counterfactual

LONGEST_DELAY = 24 * 60
"""Minutes of delay that are tried."""

Flagged = Callable[[Transaction], bool]


class _Change(NamedTuple):
    """A change that unflags. Halving the amount, a known value for a new one and an hour's delay cost 1 each."""

    cost: float
    found: Counterfactual


def counterfactual(
    transaction: Transaction, state: UserState, model: EnhancedModel, feedback: Feedback = NO_FEEDBACK
) -> Counterfactual | None:
    """The smallest change of one field that unflags `transaction`, or None where no single one does.

    `state` is the user's before the transaction; it is left as it is. None too for what is not flagged.
    """

    def flagged(changed: Transaction) -> bool:
        return model.judge(changed, state, feedback).flagged

    if not flagged(transaction):
        return None
    usual = model.expected(transaction, state).amount
    changes = [*_amount(transaction, usual, flagged), *_delay(transaction, flagged)]
    changes += [_Change(1.0, found) for changed, found in _known(transaction, state.habits()) if not flagged(changed)]
    smallest = min(changes, key=lambda change: change.cost, default=None)
    return None if smallest is None else smallest.found


def _amount(transaction: Transaction, usual: float, flagged: Flagged) -> Iterator[_Change]:
    """The amount nearest to the transaction's, on the way to the user's usual one, that is not flagged."""
    amount, currency = transaction.amount, transaction.currency
    if not amount.is_finite() or amount <= 0:
        return
    unit = Decimal(1).scaleb(-shown_decimals(currency))
    far, near = int(usual / EUR_PER_UNIT.get(currency, 1.0) / float(unit)), int(amount / unit)
    if far <= 0 or flagged(replace(transaction, amount=far * unit)):
        return
    while abs(near - far) > 1:
        middle = (near + far) // 2
        if flagged(replace(transaction, amount=middle * unit)):
            near = middle
        else:
            far = middle
    value = far * unit
    shown, side = money(value, currency), "or less" if value < amount else "or more"
    found = Counterfactual("amount", str(value), f"not flagged at {shown} {side}")
    yield _Change(abs(log2(amount / value)), found)


def _delay(transaction: Transaction, flagged: Flagged) -> Iterator[_Change]:
    """The shortest delay, in minutes, with which it is not flagged."""

    def later(minutes: int) -> Transaction:
        return replace(transaction, timestamp=transaction.timestamp + timedelta(minutes=minutes))

    near, far = 0, 1
    while flagged(later(far)):
        near, far = far, 2 * far
        if far > LONGEST_DELAY:
            return
    while far - near > 1:
        middle = (near + far) // 2
        if flagged(later(middle)):
            near = middle
        else:
            far = middle
    at = later(far).timestamp.astimezone(UTC)
    text = f"not flagged {duration(far * 60.0)} later, at {at:%H:%M} UTC"
    yield _Change(log2(1.0 + far / 60.0), Counterfactual("timestamp", at.isoformat(timespec="minutes"), text))


def _known(transaction: Transaction, habits: Habits) -> Iterator[tuple[Transaction, Counterfactual]]:
    """The transaction with one field as the user usually has it, where it is not so already."""
    place, merchant = transaction.location, transaction.merchant
    last = habits.place
    country = most_frequent(habits.countries)
    if country and place.country != country:
        moved = Location(country, last.city, last.latitude, last.longitude) if last else Location(country)
        text = f"not flagged in {country}, where this user usually is"
        yield replace(transaction, location=moved), Counterfactual("country", country, text)
    elif last is not None and (place.latitude, place.longitude) != (last.latitude, last.longitude):
        city = last.city or f"{last.latitude:.1f}, {last.longitude:.1f}"
        moved = replace(place, city=last.city, latitude=last.latitude, longitude=last.longitude)
        text = f"not flagged in {city}, where this user was before"
        yield replace(transaction, location=moved), Counterfactual("city", city, text)
    device = most_frequent(habits.devices)
    if device and device not in (transaction.device.id, transaction.device.type):
        text = f"not flagged with a device this user has used, such as {device}"
        yield replace(transaction, device=Device(device)), Counterfactual("device", device, text)
    method = most_frequent(habits.payment_methods)
    if method and method != transaction.payment_method:
        text = f"not flagged if paid by {method}"
        yield replace(transaction, payment_method=method), Counterfactual("payment_method", method, text)
    known = most_frequent(habits.merchants)
    if known and merchant_of(transaction) not in habits.merchants.of:
        text = f"not flagged at a merchant this user knows, such as {known}"
        yield replace(transaction, merchant=replace(merchant, id=known)), Counterfactual("merchant", known, text)
    category = most_frequent(habits.categories)
    if category and category != merchant.category:
        text = f"not flagged in category {category}"
        yield (
            replace(transaction, merchant=replace(merchant, category=category)),
            Counterfactual("category", category, text),
        )
    kind = most_frequent(habits.transaction_types)
    if kind and kind != transaction.transaction_type:
        text = f"not flagged as transaction type {kind}"
        yield replace(transaction, transaction_type=kind), Counterfactual("transaction_type", kind, text)
