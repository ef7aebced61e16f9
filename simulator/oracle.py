"""What the best detector of simulated fraud could say: one that knows every user's habits and every kind of fraud.

It sees what detectors see of a transaction, and besides how the simulator works: the true habits of its user at that
moment, and how often each kind of anomaly begins and how long it lasts. By Bayes' rule that gives the odds that the
transaction is anomalous. It does not know which ones are, and so it misses what hides among habits: the first purchase
of a burst, a spike after a dear taste. A table that shows it shows how hard the data is.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from math import exp, inf, log, pi, sqrt

from domain.transaction import GroundTruth, Transaction
from simulator.anomalies import FAR, KINDS, SLEEPING
from simulator.merchants import CATEGORIES, Shop
from simulator.places import CITIES, City, distance_km
from simulator.population import PAYMENT_METHODS, User
from simulator.stream import BIG, BORROWED, BURST_GAP, EXPLORED, OTHER_METHOD, OTHER_SHOP, Simulator

_NEXT_TO_NOTHING = 1e-9
_TESTING = ("digital_goods", "online_retail", "gift_cards")
_TAKEN = ("electronics", "gift_cards", "money_transfer", "jewellery")
_LASTING = [name for name, kind in KINDS.items() if kind.length > 1]


class Oracle:
    """The odds of each transaction of one simulator's stream, in the order of that stream."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._users = {user.id: user for user in simulator.users}
        self._cities = {city.name: city for city in CITIES}
        # By user: when the last transaction was, and how likely it belonged to an episode of each lasting kind.
        self._episodes: dict[str, tuple[float, dict[str, float]]] = {}
        self._begins = {
            name: simulator.anomaly_rate * simulator.rate / len(simulator.kinds) / KINDS[name].length
            for name in simulator.kinds
        }

    def stream(self) -> Iterator[tuple[Transaction, GroundTruth, float]]:
        """The simulator's stream with the log odds that each transaction is anomalous."""
        for transaction, truth in self._simulator.stream():
            yield transaction, truth, self._odds(transaction)

    def _odds(self, transaction: Transaction) -> float:
        user = self._users[transaction.user_id]
        at = transaction.timestamp.timestamp()
        shop, city = self._shop(transaction, user)
        seen = _Seen(transaction, user, shop, city, self._simulator.shops(city, shop.category))
        liveliness = self._simulator.share(user, at)
        awake = user.awake(at)
        habit = self._simulator.rate * (1.0 - self._simulator.anomaly_rate) * liveliness * seen.habit()
        kinds = {}
        for name, begins in self._begins.items():
            where = liveliness
            if name == "unusual_hour":
                where = 1.0 / len(self._users) if awake < SLEEPING else 0.0
            kinds[name] = begins * where * seen.anomaly(name)
        last, belonged = self._episodes.get(user.id, (-inf, {}))
        gap = max(at - last, 0.0)
        for name, probability in belonged.items():
            goes_on = 1.0 - 1.0 / KINDS[name].length
            kinds[name] += probability * goes_on * exp(-gap / BURST_GAP) / BURST_GAP * seen.anomaly(name)
        whole = habit + sum(kinds.values())
        self._episodes[user.id] = at, {name: kinds[name] / whole for name in _LASTING if name in kinds}
        return log(max(sum(kinds.values()), 1e-300)) - log(max(habit, 1e-300))

    def _shop(self, transaction: Transaction, user: User) -> tuple[Shop, City]:
        """The shop that this merchant is, and its city, also where the transaction names the country only."""
        place = transaction.location
        category = CATEGORIES[transaction.merchant.category or ""]
        named = self._cities.get(place.city or "")
        near = (user.city, user.home, *(city for city in CITIES if city.country.code == place.country))
        for city in (named,) if named else near:
            for shop in self._simulator.shops(city, category):
                if shop.merchant.id == transaction.merchant.id:
                    return shop, city
        raise ValueError(f"{transaction.merchant.id} is no shop of this simulator")


class _Seen:
    """One transaction beside its user's true habits, and the densities of what it shows."""

    def __init__(self, transaction: Transaction, user: User, shop: Shop, city: City, shops: tuple[Shop, ...]) -> None:
        self._transaction, self._user, self._shop, self._city = transaction, user, shop, city
        category = shop.category
        euros = float(transaction.amount) / city.country.per_euro
        self._euros = euros
        usual = category.median * shop.level * user.level * user.tastes.get(category.name, 1.0)
        self._over = log(max(euros, 0.01) / usual)
        self._spread = category.spread
        # What all kinds share, with every density as the user's habits have it.
        self._category = _picked(user.categories.items, user.categories.weights, category)
        self._usual_amount = self._amount(0.0, 0.0)
        self._method = self._by_method()
        self._device = self._on_device()
        self._place = 1.0 if city is user.city and transaction.location.city is not None else _NEXT_TO_NOTHING
        self._any = 1.0 / len(shops)
        self._merchant = self._at_merchant()

    def habit(self) -> float:
        """The density under the user's habits, rare departures included."""
        explored = EXPLORED / len(CATEGORIES)
        return (
            (self._category + explored)
            * ((1.0 - BIG) * self._usual_amount + BIG * self._scaled(3.0, 8.0))
            * self._method
            * self._device
            * self._place
            * self._merchant
        )

    def anomaly(self, kind: str) -> float:
        """The density under one kind of anomaly, in which all it does not name is habit."""
        user, category = self._user, self._shop.category
        usual, amount, method = self._category, self._usual_amount, self._method
        device, place, merchant = self._device, self._place, self._merchant
        if kind == "amount_spike":
            amount = self._amount(3.5, 0.3)
        elif kind == "category_switch":
            usual = _among(category, [each for each in CATEGORIES.values() if each not in user.categories.items])
        elif kind == "unusual_country":
            known = {user.home.country, user.city.country, *([user.abroad.country] if user.abroad else [])}
            place, merchant = _among(self._city, [city for city in CITIES if city.country not in known]), self._any
        elif kind == "impossible_travel":
            place, merchant = self._far(), self._any
        elif kind == "new_device":
            device = 0.0 if self._transaction.device.id in self._devices() else 1.0
        elif kind == "payment_method_switch":
            method = self._foreign_method()
        elif kind == "card_testing":
            usual = sum(category.name == name for name in _TESTING) / len(_TESTING)
            # Uniform between .5 and 3 euros, as a density of the logarithm like every other amount here.
            amount = self._euros / 2.5 if 0.4 <= self._euros <= 3.1 else 0.0
            merchant = self._any
        elif kind == "account_takeover":
            usual = sum(category.name == name for name in _TAKEN) / len(_TAKEN)
            amount = self._scaled(1.0, 3.0)
            place = 0.5 * place + 0.5 * self._far()
            device = 0.0 if self._transaction.device.id in self._devices() else 1.0
            method = 0.7 * method + 0.3 * self._foreign_method()
            merchant = self._any
        return usual * amount * method * device * place * merchant

    def _amount(self, shift: float, sd: float) -> float:
        """The density of the logarithm of the amount, `shift` above the usual, blurred by `sd` more."""
        spread = sqrt(self._spread**2 + sd**2)
        return exp(-0.5 * ((self._over - shift) / spread) ** 2) / (spread * sqrt(2.0 * pi))

    def _scaled(self, low: float, high: float) -> float:
        """The density for a factor drawn between two bounds, by five points of it."""
        factors = [low + (high - low) * (point + 0.5) / 5 for point in range(5)]
        return sum(self._amount(log(factor), 0.0) for factor in factors) / 5

    def _by_method(self) -> float:
        methods = self._user.methods
        picked = _picked(methods.items, methods.weights, self._transaction.payment_method)
        return (1.0 - OTHER_METHOD) * picked + OTHER_METHOD / len(PAYMENT_METHODS)

    def _foreign_method(self) -> float:
        foreign = [method for method in PAYMENT_METHODS if method not in self._user.methods.items]
        return _among(self._transaction.payment_method, foreign)

    def _devices(self) -> list[str | None]:
        return [device.id for device in self._user.devices.items]

    def _on_device(self) -> float:
        picked = _picked(self._devices(), self._user.devices.weights, self._transaction.device.id)
        return picked if picked else BORROWED

    def _far(self) -> float:
        return _among(self._city, _far_from(self._user.city))

    def _at_merchant(self) -> float:
        """At home mostly the usual ones, anywhere else any."""
        favourites = self._user.favourites.get(self._shop.category.name) if self._city is self._user.home else None
        if favourites is None:
            return self._any
        return (1.0 - OTHER_SHOP) * _picked(favourites.items, favourites.weights, self._shop) + OTHER_SHOP * self._any


@cache
def _far_from(here: City) -> list[City]:
    return [city for city in CITIES if distance_km(here, city) > FAR]


def _picked(items: Sequence[object], weights: Sequence[float], value: object) -> float:
    """How likely a choice by weights is this value."""
    return sum(weight for item, weight in zip(items, weights, strict=True) if item == value) / sum(weights)


def _among(value: object, choices: Sequence[object]) -> float:
    """How likely an even choice is this value."""
    return 1.0 / len(choices) if value in choices else 0.0
