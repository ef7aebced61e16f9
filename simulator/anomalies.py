"""The kinds of anomaly, each a short series of departures from what a user would have done.

A `Twist` says what differs; everything it leaves at None stays as the user's habits have it, so that each
kind is as subtle as its nature allows and the label never shows in anything else.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from domain.transaction import Device
from simulator.merchants import CATEGORIES, Category
from simulator.places import CITIES, City, distance_km, travel_hours
from simulator.population import PAYMENT_METHODS, User, new_device


class Twist(NamedTuple):
    """One transaction's departures from habit: `factor` multiplies the usual amount, `euros` replaces it.

    `located=False` leaves the coordinates out. `stranger=True` takes any merchant but a usual one.
    """

    anomalous: bool = True
    category: Category | None = None
    factor: float = 1.0
    euros: float | None = None
    city: City | None = None
    located: bool = True
    device: Device | None = None
    method: str | None = None
    stranger: bool = False


HABIT = Twist(anomalous=False)
SLEEPING = 0.01
"""A user none of whose hours within two of a time reach this share of their best one sleeps then."""


FAR = 3000
"""Kilometres beyond which a card that was here a moment ago cannot be."""


class Kind(NamedTuple):
    """`length` is the mean number of anomalous transactions in one episode."""

    plan: Callable[[User, float, Random], list[Twist]]
    length: float


def _amount_spike(user: User, at: float, random: Random) -> list[Twist]:
    return [Twist(factor=max(20.0, random.lognormvariate(3.5, 0.3)))]


def _category_switch(user: User, at: float, random: Random) -> list[Twist]:
    return [Twist(category=_foreign_category(user, random))]


def _unusual_hour(user: User, at: float, random: Random) -> list[Twist]:
    return [Twist()]


def _unusual_country(user: User, at: float, random: Random) -> list[Twist]:
    usual = {user.home.country, user.city.country, *([user.abroad.country] if user.abroad else [])}
    city = random.choice([city for city in CITIES if city.country not in usual])
    # Coordinates only where the user could have travelled: else it would be impossible travel by another name.
    reachable = at - user.last_at >= travel_hours(user.city, city) * 3600
    return [Twist(city=city, located=reachable)]


def _impossible_travel(user: User, at: float, random: Random) -> list[Twist]:
    return [HABIT, Twist(city=_far_city(user, random))]


def _new_device(user: User, at: float, random: Random) -> list[Twist]:
    return [Twist(device=new_device(random))]


def _payment_method_switch(user: User, at: float, random: Random) -> list[Twist]:
    return [Twist(method=_foreign_method(user, random))]


def _velocity_burst(user: User, at: float, random: Random) -> list[Twist]:
    return [Twist() for _ in range(random.randint(25, 40))]


def _card_testing(user: User, at: float, random: Random) -> list[Twist]:
    category = CATEGORIES[random.choice(("digital_goods", "online_retail", "gift_cards"))]
    return [Twist(category=category, euros=random.uniform(0.5, 3), stranger=True) for _ in range(random.randint(8, 14))]


def _account_takeover(user: User, at: float, random: Random) -> list[Twist]:
    device = new_device(random, ("mobile", "desktop"))
    city = _far_city(user, random) if random.random() < 0.5 else None
    method = _foreign_method(user, random) if random.random() < 0.3 else None
    return [
        Twist(
            category=CATEGORIES[random.choice(("electronics", "gift_cards", "money_transfer", "jewellery"))],
            factor=random.uniform(1, 3),
            city=city,
            device=device,
            method=method,
            stranger=True,
        )
        for _ in range(random.randint(3, 5))
    ]


KINDS = {
    "amount_spike": Kind(_amount_spike, 1),
    "category_switch": Kind(_category_switch, 1),
    "unusual_hour": Kind(_unusual_hour, 1),
    "unusual_country": Kind(_unusual_country, 1),
    "impossible_travel": Kind(_impossible_travel, 1),
    "new_device": Kind(_new_device, 1),
    "payment_method_switch": Kind(_payment_method_switch, 1),
    "velocity_burst": Kind(_velocity_burst, 32),
    "card_testing": Kind(_card_testing, 11),
    "account_takeover": Kind(_account_takeover, 4),
}


def _foreign_category(user: User, random: Random) -> Category:
    return random.choice([category for category in CATEGORIES.values() if category not in user.categories.items])


def _foreign_method(user: User, random: Random) -> str:
    return random.choice([method for method in PAYMENT_METHODS if method not in user.methods.items])


def _far_city(user: User, random: Random) -> City:
    return random.choice([city for city in CITIES if distance_km(user.city, city) > FAR])
