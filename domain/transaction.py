"""A card transaction as it travels on the wire and as every part of the system holds it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

MAX_AMOUNT = Decimal(10) ** 15
MAX_DECIMALS = 8
MAX_TEXT = 4096


class Location(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a transaction happened; `country` is ISO 3166-1 alpha-2, coordinates are degrees (WGS 84)."""

    country: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Merchant(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who was paid."""

    id: str | None = None
    name: str | None = None
    category: str | None = None


class Device(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the cardholder paid with."""

    id: str | None = None
    type: str | None = None
    ip: str | None = None


NOWHERE = Location()
NO_MERCHANT = Merchant()
NO_DEVICE = Device()


class Transaction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One card transaction. Only the first five fields are required; a missing one is neutral to detectors.

    `amount` is an exact decimal in major units of `currency` (ISO 4217); `timestamp` is the event time,
    always with a zone. `extra` holds fields of the source that have no name here, as JSON values.
    """

    transaction_id: str
    user_id: str
    amount: Decimal
    currency: str
    timestamp: datetime
    location: Location = NOWHERE
    transaction_type: str | None = None
    merchant: Merchant = NO_MERCHANT
    payment_method: str | None = None
    device: Device = NO_DEVICE
    extra: dict[str, Any] | None = None

    def as_utc(self) -> "Transaction":
        """The same transaction with its event time in UTC; a timestamp without a zone is taken as UTC."""
        if self.timestamp.tzinfo is UTC:
            return self
        zone = self.timestamp.tzinfo
        moved = self.timestamp.replace(tzinfo=UTC) if zone is None else self.timestamp.astimezone(UTC)
        return msgspec.structs.replace(self, timestamp=moved)


class FlatField(NamedTuple):
    """One value of a transaction: its name in a flat record or table, and where the transaction keeps it.

    `path` is the name itself, or a group and a name with a dot between: `merchant.id` for the column `merchant_id`.
    """

    name: str
    path: str


GROUPS: dict[str, tuple[str, ...]] = {
    "location": Location.__struct_fields__,
    "merchant": Merchant.__struct_fields__,
    "device": Device.__struct_fields__,
}
"""The objects within a transaction, and the names of what is in them."""


def _columns() -> Iterator[FlatField]:
    for field in Transaction.__struct_fields__:
        if field == "extra":
            continue
        for name in GROUPS.get(field, ("",)):
            # A place needs no prefix: there is one country, but a merchant's name and a device's type.
            flat = name if field == "location" else f"{field}_{name}" if name else field
            yield FlatField(flat, f"{field}.{name}" if name else field)


COLUMNS = tuple(_columns())
"""Every value of a transaction but `extra`, in the order of the table."""


class GroundTruth(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the producer knows and detectors must not: whether a transaction is anomalous, and of which kind."""

    anomalous: bool
    kind: str | None = None
