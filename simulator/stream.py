"""The stream: who pays whom, when, and how much, with anomalies injected at a given rate."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from math import exp
from random import Random

from domain.currency import exponent
from domain.transaction import Device, GroundTruth, Location, Transaction
from simulator.anomalies import HABIT, KINDS, SLEEPING, Twist
from simulator.life import Life
from simulator.merchants import CATEGORIES, Category, Directory, Shop
from simulator.places import CITIES, City
from simulator.population import DAY, PAYMENT_METHODS, User, new_device, population

NORMAL = GroundTruth(anomalous=False)

BURST_GAP = 15.0
"""Mean seconds between the transactions of one episode, when the rate would space them wider."""

BIG, EXPLORED, OTHER_METHOD, BORROWED = 0.0006, 0.0007, 0.0005, 0.0002
"""Shares of ordinary transactions that are a big purchase, of any category, by any method, on a borrowed device."""

OTHER_SHOP = 0.06
"""How often a user at home tries any merchant of the category."""

PER_USER_PER_DAY = 10.0
"""Transactions of a user on the average: nine in ten people have between 4 and 20."""

_HALF_HOUR = 1800.0


class Simulator:
    """A population with habits and an endless stream of its transactions; pure, and the same for the same seed.

    Parameters: `users`, how many card holders; `anomaly_rate`, the share of transactions that are anomalous;
    `seed`; `start`, the event time of the first transaction, with a zone; `rate`, transactions per second of
    event time on the average; `run`, a prefix that keeps transaction ids apart between runs of one seed; `kinds`, the
    kinds of anomaly that are injected.

    Users' habits live in event time (a trip takes days, a new telephone comes once a year), and who transacts
    at a moment is drawn by how active each user is at that hour: `rate_of` gives the rate of people. At a higher one
    users are busier than people are; what depends on distance and time stays physically possible all the same.

    A stream that goes on where an earlier one stopped has that one's `begun` (when its people's lives begin, by
    default at `start`), and as `number` how many transactions it had: the people are where they would have been, with
    the habits that they would have had.
    """

    def __init__(
        self,
        users: int = 100,
        anomaly_rate: float = 0.05,
        seed: int = 0,
        *,
        start: datetime,
        rate: float = 10.0,
        run: str = "",
        kinds: Sequence[str] = tuple(KINDS),
        begun: datetime | None = None,
        number: int = 0,
    ) -> None:
        if users < 1 or rate <= 0 or not 0 <= anomaly_rate <= 1:
            raise ValueError("users must be at least 1, rate above 0, anomaly_rate between 0 and 1")
        self.rate = rate
        self.anomaly_rate = anomaly_rate
        self._clock = start.timestamp()
        self._now = self._clock
        self._random = Random(f"{seed}/stream/{number}" if number else f"{seed}/stream")
        self._directory = Directory(seed)
        born = self._clock if begun is None else begun.timestamp()
        self._users = population(users, seed, born, self._directory)
        self._seed, self._born = seed, born
        self._lives: dict[str, Life] = {}
        if born < self._clock:
            for user in self._users:
                user.last_at = self._clock
        self._prefix = f"{run}-" if run else f"s{seed}-"
        self._number = number
        self._slot = -1.0
        self._cumulative: list[float] = []
        self._episode: deque[tuple[User, str, Twist]] = deque()
        self._credit = 0.0
        self.kinds = tuple(kinds)
        longest = max(KINDS[kind].length for kind in self.kinds)
        # Drawn like cards: where one kind comes in dozens, a throw of dice for each might leave it out for a week.
        self._deck = [kind for kind in self.kinds for _ in range(round(longest / KINDS[kind].length))]
        self._drawn: list[str] = []
        self._mean_length = sum(KINDS[kind].length for kind in self._deck) / len(self._deck)
        self._truths = {kind: GroundTruth(anomalous=True, kind=kind) for kind in self.kinds}

    def stream(self) -> Iterator[tuple[Transaction, GroundTruth]]:
        """Transactions in order of event time, each with its ground truth; never ends."""
        while True:
            yield self._next()

    @property
    def users(self) -> list[User]:
        """Everybody, with their habits as they are by now."""
        return self._users

    def shops(self, city: City, category: Category) -> tuple[Shop, ...]:
        """The merchants of a category in a city."""
        return self._directory.shops(city, category)

    def share(self, user: User, at: float) -> float:
        """The probability that a transaction at `at` is this user's."""
        return user.activity * user.liveliness(at) / self._cumulative[-1]

    @property
    def number(self) -> int:
        """How many transactions there were, those of an earlier stream that this one goes on from included."""
        return self._number

    @property
    def now(self) -> float:
        """The event time that the stream has come to, in POSIX seconds; what comes next is not earlier."""
        return max(self._clock, self._now)

    def catch_up(self, moment: datetime) -> None:
        """Move the clock forward to `moment`, after a pause, so that no backlog is made up; never back."""
        self._clock = max(self._clock, moment.timestamp())

    def _next(self) -> tuple[Transaction, GroundTruth]:
        spacing = 1 / self.rate
        nominal = self._clock + self._random.random() * spacing
        self._clock += spacing
        self._number += 1
        self._credit += self.anomaly_rate
        if not self._episode and self._random.random() < self._start_probability():
            self._plan(nominal)
            at = nominal
        elif self._episode and (spacing > 10 or self._random.random() < max(0.5, self.anomaly_rate)):
            at = min(nominal, self._now + self._random.expovariate(1 / BURST_GAP))
        else:
            self._now = at = max(self._now, nominal)
            return self._transaction(self._who(at), at, HABIT), NORMAL
        self._now = at = max(self._now, at)
        user, kind, twist = self._episode.popleft()
        if not twist.anomalous:
            return self._transaction(user, at, twist), NORMAL
        self._credit -= 1
        return self._transaction(user, at, twist), self._truths[kind]

    def _start_probability(self) -> float:
        """Chance of a new episode: its fair share, pulled so that the long-run rate of anomalies comes out."""
        if self.anomaly_rate in (0, 1):
            return self.anomaly_rate
        return self.anomaly_rate / self._mean_length * exp(min(self._credit / self._mean_length, 50))

    def _plan(self, at: float) -> None:
        user, passed = None, []
        while user is None:
            if not self._drawn:
                self._drawn = self._random.sample(self._deck, len(self._deck))
            kind = self._drawn.pop()
            user = self._sleeper(at) if kind == "unusual_hour" else self._who(at)
            if user is None:
                passed.append(kind)
        # Somebody will sleep later.
        self._drawn += passed
        for twist in KINDS[kind].plan(user, at, self._random):
            if twist.anomalous or self.anomaly_rate < 1:
                self._episode.append((user, kind, twist))

    def _who(self, at: float) -> User:
        """A user drawn by activity at that hour, living their life up to it; not one in flight."""
        slot = at // _HALF_HOUR
        if slot != self._slot:
            self._slot = slot
            self._cumulative = list(accumulate(user.activity * user.liveliness(at) for user in self._users))
        total = self._cumulative[-1]
        last = len(self._users) - 1
        for _ in range(50):
            user = self._users[min(last, bisect_right(self._cumulative, self._random.random() * total))]
            self._live(user, at)
            if user.away_until <= at:
                return user
        return min(self._users, key=lambda user: user.away_until)

    def _sleeper(self, at: float) -> User | None:
        """A user for whom this hour is unusual, or None when nobody found sleeps now."""
        for _ in range(40):
            user = self._random.choice(self._users)
            if user.awake(at) < SLEEPING and user.away_until <= at:
                return user
        return None

    def _live(self, user: User, at: float) -> None:
        """Let everything happen to somebody that does until `at`."""
        life = self._lives.get(user.id)
        if life is None:
            life = self._lives[user.id] = Life(user, self._born, self._seed, self._directory)
        life.until(at)

    def _transaction(self, user: User, at: float, twist: Twist) -> Transaction:
        random = self._random
        city = twist.city or user.city
        category, factor = twist.category, twist.factor
        method, device = twist.method, twist.device
        if category is None:
            category = user.categories.pick(random)
        # People are not their habits: the odd big purchase, new shop, borrowed device is nobody's fraud.
        if twist is HABIT:
            oddity = random.random()
            if oddity < BIG:
                factor = random.uniform(3, 8)
            elif oddity < BIG + EXPLORED:
                category = random.choice(tuple(CATEGORIES.values()))
            elif oddity < BIG + EXPLORED + OTHER_METHOD:
                method = random.choice(PAYMENT_METHODS)
            elif oddity < BIG + EXPLORED + OTHER_METHOD + BORROWED:
                device = new_device(random)
        shop = self._shop(user, city, category, twist.stranger)
        if method is None:
            method = user.methods.pick(random)
        if device is None:
            device = self._carried(user.devices.pick(random))
        euros = twist.euros
        if euros is None:
            usual = category.median * shop.level * user.level * user.tastes.get(category.name, 1.0)
            euros = usual * factor * random.lognormvariate(0, category.spread)
        if twist.city is None:
            user.last_at = at
        return Transaction(
            transaction_id=f"{self._prefix}{self._number:09d}",
            user_id=user.id,
            amount=_charged(euros, city, category),
            currency=city.country.currency,
            location=_located(city) if twist.located else Location(city.country.code),
            timestamp=datetime.fromtimestamp(at, UTC),
            transaction_type=category.transaction_type,
            merchant=shop.merchant,
            payment_method=method,
            device=device,
        )

    def _shop(self, user: User, city: City, category: Category, stranger: bool) -> Shop:
        random = self._random
        usual = user.favourites.get(category.name) if city is user.home else None
        if usual is None or stranger:
            return random.choice(self._directory.shops(city, category))
        if random.random() >= OTHER_SHOP:
            return usual.pick(random)
        return random.choice(self._directory.shops(city, category))

    def _carried(self, device: Device) -> Device:
        """A telephone changes its address within the network; what stands at home keeps it."""
        if device.type != "mobile" or device.ip is None:
            return device
        network = device.ip.rpartition(".")[0]
        return Device(device.id, device.type, f"{network}.{self._random.randint(1, 254)}")


def rate_of(users: int) -> float:
    """Transactions per second of event time at which so many users buy as often as people do."""
    return users * PER_USER_PER_DAY / DAY


def history(
    days: float,
    *,
    end: datetime,
    users: int = 100,
    per_user_per_day: float = PER_USER_PER_DAY,
    anomaly_rate: float = 0.05,
    seed: int = 0,
    run: str = "",
) -> Iterator[tuple[Transaction, GroundTruth]]:
    """The `days` before `end` at a human pace, in order of event time: back-dated, compressed, finite."""
    simulator = Simulator(
        users,
        anomaly_rate,
        seed,
        start=end - timedelta(days=days),
        rate=users * per_user_per_day / DAY,
        run=run,
    )
    for transaction, truth in simulator.stream():
        if transaction.timestamp >= end:
            return
        yield transaction, truth


_LOCATIONS = {city.name: Location(city.country.code, city.name, city.latitude, city.longitude) for city in CITIES}


def _located(city: City) -> Location:
    return _LOCATIONS[city.name]


def _charged(euros: float, city: City, category: Category) -> Decimal:
    """The amount in the city's currency, in whole minor units, at least one."""
    currency = city.country.currency
    digits = exponent(currency)
    local = euros * city.country.per_euro
    if category.name == "cash":
        # Machines pay out notes: two significant digits do.
        step = 10 ** max(0, len(str(int(local))) - 2)
        return Decimal(max(step, round(local / step) * step))
    return Decimal(max(1, round(local * 10**digits))).scaleb(-digits)
