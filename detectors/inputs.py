"""What the detectors read of transactions, in their units: as columns, and of one as a flat row."""

from collections.abc import Sequence
from math import isnan, log1p
from typing import NamedTuple, overload
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.rates import EUR_PER_UNIT
from detectors.words import Words
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


class Fields(NamedTuple):
    """The columns of n transactions. Numbers have shape (n,), NaN for a missing one; other missing values are None."""

    user: Words[str]
    amount: NDArray[np.float64]
    log_amount: NDArray[np.float64]
    time: NDArray[np.float64]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    device_type: Words[str | None]
    merchant: Words[str | None]
    category: Words[str | None]
    country: Words[str | None]
    device: Words[str | None]
    payment_method: Words[str | None]
    currency: Words[str]
    transaction_type: Words[str | None]
    city: Words[str | None]

    @property
    def names(self) -> tuple[Words[str | None], ...]:
        """Those that a user's state has, in the order of a row of keys, see `detectors.layout`."""
        return (
            self.merchant,
            self.category,
            self.country,
            self.device,
            self.payment_method,
            self.currency,
            self.transaction_type,
            self.city,
        )


class InputColumns(Sequence[Inputs]):
    """The `Inputs` of n transactions as columns, in `of`; a row is made when it is asked for."""

    def __init__(self, of: Fields) -> None:
        self.of = of

    def __len__(self) -> int:
        return len(self.of.user)

    @overload
    def __getitem__(self, number: int) -> Inputs: ...
    @overload
    def __getitem__(self, number: slice) -> "InputColumns": ...
    def __getitem__(self, number: int | slice) -> "Inputs | InputColumns":
        of = self.of
        if isinstance(number, slice):
            return InputColumns(Fields._make([column[number] for column in of]))
        latitude, longitude = float(of.latitude[number]), float(of.longitude[number])
        return Inputs(
            of.user[number],
            float(of.amount[number]),
            float(of.log_amount[number]),
            float(of.time[number]),
            of.category[number],
            of.merchant[number],
            of.country[number],
            of.device[number],
            of.payment_method[number],
            of.currency[number],
            of.transaction_type[number],
            None if isnan(latitude) else latitude,
            None if isnan(longitude) else longitude,
            of.city[number],
            of.device_type[number],
        )


def inputs_of(transactions: Sequence[Transaction]) -> InputColumns:
    """The columns of `transactions`, in order."""
    amounts = np.array([euros(transaction) for transaction in transactions], np.float64)
    merchants = [transaction.merchant for transaction in transactions]
    places = [transaction.location for transaction in transactions]
    devices = [transaction.device for transaction in transactions]
    longitude = np.array([place.longitude for place in places], np.float64)
    latitude = np.array([place.latitude for place in places], np.float64)
    return InputColumns(
        Fields(
            Words([transaction.user_id for transaction in transactions]),
            amounts,
            np.array([*map(signed_log, amounts.tolist())], np.float64),
            np.array([transaction.timestamp.timestamp() for transaction in transactions], np.float64),
            np.where(np.isnan(longitude), np.nan, latitude),
            longitude,
            _short([device.type for device in devices]),
            _short([merchant.id or merchant.name for merchant in merchants]),
            _short([merchant.category for merchant in merchants]),
            _short([place.country for place in places]),
            _short([device.id or device.type for device in devices]),
            _short([transaction.payment_method for transaction in transactions]),
            Words([transaction.currency for transaction in transactions]),
            _short([transaction.transaction_type for transaction in transactions]),
            _short([place.city for place in places]),
        )
    )


def _short(names: list[str | None]) -> Words[str | None]:
    longest = max(map(len, filter(None, names)), default=0)
    return Words(names if longest <= MAX_KEY else [short(name) for name in names])
