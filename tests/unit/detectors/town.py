"""A small town of card users with steady habits, enough to fit both detectors on."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from detectors.enhanced import EnhancedModel
from detectors.habits import Place
from detectors.state import UserState
from domain.transaction import Device, Location, Merchant, Transaction

START = datetime(2026, 3, 2, tzinfo=UTC)
CATEGORIES = {"grocery": 40.0, "fuel": 60.0, "restaurant": 25.0, "electronics": 200.0}
PARIS = Location(country="FR", city="Paris", latitude=48.86, longitude=2.35)
LISBON = Location(country="PT", city="Lisbon", latitude=38.72, longitude=-9.14)


def purchase(**changes: object) -> Transaction:
    """An unremarkable purchase of u-000, with any field changed."""
    fields: dict[str, object] = {
        "transaction_id": "t",
        "user_id": "u-000",
        "amount": Decimal("41.20"),
        "currency": "EUR",
        "timestamp": START + timedelta(days=40, hours=12),
        "location": PARIS,
        "transaction_type": "purchase",
        "merchant": Merchant(id="m-grocery-0", category="grocery"),
        "payment_method": "card",
        "device": Device(id="phone-0", type="mobile"),
    }
    return Transaction(**(fields | changes))  # type: ignore[arg-type]


def traffic(rows: int, seed: int, users: int = 40) -> list[Transaction]:
    """`rows` ordinary purchases of `users` users, in order of time."""
    draw = Random(seed)
    found = []
    for index in range(rows):
        user = draw.randrange(users)
        category = draw.choices(list(CATEGORIES), (6, 3, 3, 1))[0]
        second = 86_400 * 40 * index / rows
        noon = START + timedelta(days=int(second // 86_400))
        when = noon + timedelta(hours=min(max(draw.gauss(13, 3), 0), 23.9))
        found.append(
            purchase(
                transaction_id=f"t-{seed}-{index:06d}",
                user_id=f"u-{user:03d}",
                amount=Decimal(str(round(CATEGORIES[category] * (1 + user % 5 / 4) * draw.lognormvariate(0, 0.4), 2))),
                timestamp=when,
                merchant=Merchant(id=f"m-{category}-{draw.randrange(3)}", category=category),
                device=Device(id=f"phone-{user}", type="mobile"),
            )
        )
    return sorted(found, key=lambda transaction: (transaction.timestamp, transaction.transaction_id))


def settled(model: EnhancedModel, history: Sequence[Transaction]) -> dict[str, UserState]:
    """The states of users who lived through `history`."""
    states: dict[str, UserState] = {}
    model.score(history, states)
    return states


def put(states: dict[str, UserState], user: str, place: Location, at: datetime) -> None:
    """Let a user have been at a place last, at that time."""
    habits = states[user].habits()
    assert place.latitude is not None
    assert place.longitude is not None
    habits.place = Place(place.latitude, place.longitude, at.timestamp(), place.city)
    states[user] = UserState.of(habits)
