"""Simulated card holders and the habits that detectors are to learn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp
from random import Random
from typing import Generic, TypeVar

from domain.transaction import Device
from simulator.merchants import CATEGORIES, Category, Directory, Shop
from simulator.places import CITIES, City

PAYMENT_METHODS = ("debit_card", "credit_card", "mobile_wallet", "bank_transfer", "prepaid_card", "pay_later")
DEVICE_TYPES = ("mobile", "desktop", "tablet", "card")
NEVER = float("inf")
DAY = 86_400.0

T = TypeVar("T")


@dataclass(slots=True)
class Choice(Generic[T]):
    """Things a user picks from, by weight."""

    items: list[T]
    weights: list[float]
    cumulative: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.cumulative = list(accumulate(self.weights))

    def pick(self, random: Random) -> T:
        """One of the items."""
        return random.choices(self.items, cum_weights=self.cumulative)[0]

    def add(self, item: T, weight: float) -> None:
        """One more item to pick from."""
        self.items.append(item)
        self.weights.append(weight)
        self.cumulative.append(self.cumulative[-1] + weight)


@dataclass(slots=True)
class User:
    """One card holder. Times are POSIX seconds; `hours` (24) and `weekdays` (7, Monday first) are local weights.

    `level` scales every amount, `tastes` each category's. `away_until` is the end of a flight, during which
    there are no transactions; `trip_until` is when a trip ends and the way home begins.
    """

    id: str
    home: City
    abroad: City | None
    activity: float
    hours: tuple[float, ...]
    weekdays: tuple[float, ...]
    level: float
    categories: Choice[Category]
    tastes: dict[str, float]
    favourites: dict[str, Choice[Shop]]
    methods: Choice[str]
    devices: Choice[Device]
    city: City
    last_at: float
    trip_until: float = NEVER
    away_until: float = 0.0

    def liveliness(self, at: float) -> float:
        """How likely the user is to act at that time, against their own other hours: 0 to about 1."""
        local = at / 3600 + self.city.utc_offset
        return self.hours[int(local) % 24] * self.weekdays[(int(local // 24) + 3) % 7]

    def awake(self, at: float) -> float:
        """The liveliest hour, 0 to 1, within two hours of that time."""
        hour = int(at / 3600 + self.city.utc_offset)
        return max(self.hours[near % 24] for near in range(hour - 2, hour + 3))


def population(size: int, seed: int, start: float, directory: Directory) -> list[User]:
    """`size` users with habits, the same for the same seed. A few are on a trip when the stream starts."""
    return [_user(number, Random(f"{seed}/user/{number}"), start, directory) for number in range(1, size + 1)]


def new_device(random: Random, kinds: Sequence[str] = DEVICE_TYPES) -> Device:
    """A device nobody has used before."""
    ip = f"{random.randint(11, 223)}.{random.randrange(256)}.{random.randrange(256)}.{random.randint(1, 254)}"
    return Device(f"d-{random.getrandbits(40):010x}", random.choice(kinds), ip)


def favourite_shops(random: Random, city: City, category: Category, directory: Directory) -> Choice[Shop]:
    """One to three usual merchants in a city, the first the most usual."""
    shops = directory.shops(city, category)
    chosen = random.sample(shops, min(len(shops), random.randint(1, 3)))
    return Choice(chosen, [1 / (rank + 1) ** 1.5 for rank in range(len(chosen))])


def _user(number: int, random: Random, start: float, directory: Directory) -> User:
    home = random.choice(CITIES)
    neighbours = [city for city in CITIES if city.country is not home.country]
    common = list(CATEGORIES.values())
    size = random.randint(4, 7)
    chosen: list[Category] = []
    while len(chosen) < size:
        category = random.choices(common, [category.share for category in common])[0]
        if category not in chosen:
            chosen.append(category)
    devices = [new_device(random, ("mobile", "mobile", "mobile", "card"))]
    if random.random() < 0.6:
        devices.append(new_device(random, ("desktop", "tablet", "card")))
    methods = random.sample(PAYMENT_METHODS, random.choice((1, 2, 2)))
    activity, hours = random.lognormvariate(0, 0.4), _hours(random)
    user = User(
        id=f"u-{number:04d}",
        home=home,
        abroad=random.choice(neighbours) if random.random() < 0.6 else None,
        # Whoever is busy for more hours buys no more for that.
        activity=activity / sum(hours),
        hours=hours,
        weekdays=tuple(random.uniform(0.5, 1.0) for _ in range(7)),
        level=random.lognormvariate(0, 0.35),
        categories=Choice(chosen, [category.share**0.5 * random.lognormvariate(0, 0.3) for category in chosen]),
        tastes={category.name: random.lognormvariate(0, 0.3) for category in chosen},
        favourites={category.name: favourite_shops(random, home, category, directory) for category in chosen},
        methods=Choice(methods, [0.8, 0.2][: len(methods)]),
        devices=Choice(devices, [0.75, 0.25][: len(devices)]),
        city=home,
        last_at=start - DAY,
    )
    if random.random() < 0.04:
        user.city = user.abroad or random.choice(neighbours)
        user.trip_until = start + random.uniform(0.5, 8) * DAY
    return user


def _hours(random: Random) -> tuple[float, ...]:
    """Two or three busy times of the day over a base that leaves room for the odd sleepless night."""
    night_worker = random.random() < 0.05
    centres = [random.gauss(8.5, 1), random.gauss(13, 1), random.gauss(18.5, 1.5)][: random.choice((2, 3, 3))]
    peaks = [
        (centre + (11 if night_worker else 0), random.uniform(0.7, 1.4), random.uniform(0.4, 1)) for centre in centres
    ]
    weights = []
    for hour in range(24):
        weight = 0.001
        for centre, width, height in peaks:
            distance = abs((hour + 0.5 - centre + 12) % 24 - 12)
            weight += height * exp(-0.5 * (distance / width) ** 2)
        weights.append(weight)
    top = max(weights)
    return tuple(weight / top for weight in weights)
