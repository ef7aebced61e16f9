"""What the detectors read of a transaction, as one flat row."""

from collections.abc import Sequence
from math import log1p
from typing import overload
from zlib import crc32

import msgspec

from detectors.rates import EUR_PER_UNIT
from domain.transaction import Transaction

MAX_KEY = 40


class Inputs(msgspec.Struct, frozen=True, gc=False):
    """One transaction in the detectors' units: euros, seconds since 1970, degrees; None where a field is missing."""

    user: str
    amount: float
    log_amount: float
    time: float
    category: str | None
    merchant: str | None
    country: str | None
    device: str | None
    payment_method: str | None
    currency: str
    transaction_type: str | None
    latitude: float | None
    longitude: float | None
    city: str | None
    device_type: str | None


@overload
def short(key: str) -> str: ...
@overload
def short(key: None) -> None: ...
def short(key: str | None) -> str | None:
    """A name as detectors keep it, in states of bounded size: a long foreign one keeps its start and a checksum."""
    if key is None or len(key) <= MAX_KEY:
        return key
    return f"{key[:MAX_KEY]}#{crc32(key.encode('utf-8', 'surrogatepass')):08x}"


def signed_log(amount: float) -> float:
    """ln(1 + |amount|) with the amount's sign, so that refunds and zero are defined."""
    return log1p(amount) if amount >= 0.0 else -log1p(-amount)


def euros(transaction: Transaction) -> float:
    """The amount in euros; a currency without a rate counts as euros, and what is no number as 0."""
    amount = float(transaction.amount) * EUR_PER_UNIT.get(transaction.currency, 1.0)
    return amount if amount == amount else 0.0


def merchant_of(transaction: Transaction) -> str | None:
    """What detectors know the merchant by."""
    return short(transaction.merchant.id or transaction.merchant.name)


def inputs_of(transactions: Sequence[Transaction]) -> list[Inputs]:
    """The rows of `transactions`, in order."""
    rows = []
    for transaction in transactions:
        currency = transaction.currency
        amount = euros(transaction)
        merchant = transaction.merchant
        place = transaction.location
        device = transaction.device
        latitude, longitude = place.latitude, place.longitude
        if longitude is None:
            latitude = None
        rows.append(
            Inputs(
                transaction.user_id,
                amount,
                signed_log(amount),
                transaction.timestamp.timestamp(),
                short(merchant.category),
                merchant_of(transaction),
                short(place.country),
                short(device.id or device.type),
                short(transaction.payment_method),
                currency,
                short(transaction.transaction_type),
                latitude,
                longitude,
                short(place.city),
                short(device.type),
            )
        )
    return rows
