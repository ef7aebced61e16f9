"""What the detectors read of transactions, in their units: as columns, and of one as a flat row."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from math import isnan, log1p
from typing import NamedTuple, overload
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.rates import EUR_PER_UNIT
from detectors.words import Words
from domain.transaction import Transaction
from domain.values import Values, values_of

MAX_KEY = 40
MOST = 1e18
"""More than any amount that is accepted, in euros. Some releases stored amounts of hundreds of digits."""


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


def merchant_of(transaction: Transaction) -> str | None:
    """What detectors know the merchant by."""
    return short(transaction.merchant.id or transaction.merchant.name)


def euros(amount: Decimal, currency: str) -> float:
    """An amount in euros; a currency without a rate counts as euros, what is no number as 0 and infinity as `MOST`."""
    value = float(amount) * _euros_per_unit(currency)
    return max(-MOST, min(value, MOST)) if value == value else 0.0


def _euros_per_unit(currency: str) -> float:
    return EUR_PER_UNIT.get(currency, 1.0)


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
    return inputs_from(values_of(transactions))


def inputs_from(values: Values) -> InputColumns:
    """The columns of the transactions whose values these are, in order."""
    currencies = Words(values["currency"])
    # As `euros` has them.
    amounts = np.array([*map(float, values["amount"])], np.float64) * currencies.numbers(_euros_per_unit)
    amounts = np.nan_to_num(np.clip(amounts, -MOST, MOST))
    longitude = np.array(values["location.longitude"], np.float64)
    latitude = np.array(values["location.latitude"], np.float64)
    return InputColumns(
        Fields(
            Words(values["user_id"]),
            amounts,
            np.array([*map(signed_log, amounts.tolist())], np.float64),
            np.array([*map(datetime.timestamp, values["timestamp"])], np.float64),
            np.where(np.isnan(longitude), np.nan, latitude),
            longitude,
            _short(values["device.type"]),
            _short(_either(values["merchant.id"], values["merchant.name"])),
            _short(values["merchant.category"]),
            _short(values["location.country"]),
            _short(_either(values["device.id"], values["device.type"])),
            _short(values["payment_method"]),
            currencies,
            _short(values["transaction_type"]),
            _short(values["location.city"]),
        )
    )


def _either(names: list[str | None], others: list[str | None]) -> list[str | None]:
    return [name or other for name, other in zip(names, others, strict=True)]


def _short(names: list[str | None]) -> Words[str | None]:
    longest = max(map(len, filter(None, names)), default=0)
    return Words(names if longest <= MAX_KEY else [short(name) for name in names])
