"""What happens in a user's life: trips, moves, a new telephone, a raise, a shop they come to like.

It is drawn for each user apart and does not depend on when anybody looks, so that a stream that begins in the middle
finds everybody where an unbroken one would have taken them.
"""

from itertools import accumulate
from random import Random

from simulator.merchants import Directory
from simulator.places import CITIES, City, distance_km, travel_hours
from simulator.population import DAY, NEVER, User, favourite_shops, new_device

HAPPENINGS = {"trip": 240, "telephone": 500, "raise": 400, "move": 900, "shop": 20}
"""Days between two of a kind, on the average."""

_KINDS = list(HAPPENINGS)
_WEIGHTS = list(accumulate(1 / days for days in HAPPENINGS.values()))


class Life:
    """One user's life from `begun` (POSIX seconds) on; `until` moves it forward and changes the user.

    What happens is drawn anew for every time that something does: a generator for each of a million people would take
    gigabytes.
    """

    def __init__(self, user: User, begun: float, seed: int, directory: Directory) -> None:
        self._user = user
        self._seed = seed
        self._directory = directory
        self._number = 0
        self._next = begun
        self._draw()

    def until(self, at: float) -> None:
        """Let everything happen that does until `at`."""
        user = self._user
        while min(self._next, user.trip_until) <= at:
            if user.trip_until <= self._next:
                self._travel(user.home, user.trip_until)
                user.trip_until = NEVER
            else:
                self._happen(self._next)
                self._draw()

    def _draw(self) -> None:
        """Draw when the next thing happens, and from what it is drawn."""
        self._number += 1
        random = Random(f"{self._seed}/life/{self._user.id}/{self._number}")
        self._next += random.expovariate(_WEIGHTS[-1]) * DAY
        self._fate = random.getrandbits(64)

    def _happen(self, at: float) -> None:
        user, random = self._user, Random(self._fate)
        kind = random.choices(_KINDS, cum_weights=_WEIGHTS)[0]
        if kind == "trip" and user.trip_until == NEVER:
            self._travel(self._destination(random), at)
            user.trip_until = at + random.uniform(3, 14) * DAY
        elif kind == "telephone":
            user.devices.items[0] = new_device(random, (user.devices.items[0].type or "mobile",))
        elif kind == "raise":
            user.level *= random.uniform(1.05, 1.3)
        elif kind == "move" and user.city is user.home:
            user.home = random.choice([city for city in CITIES if city.country is user.home.country])
            self._travel(user.home, at)
            for category in user.categories.items:
                user.favourites[category.name] = favourite_shops(random, user.home, category, self._directory)
        elif kind == "shop":
            category = user.categories.pick(random)
            usual = user.favourites[category.name]
            found = random.choice(self._directory.shops(user.home, category))
            if found not in usual.items:
                usual.add(found, usual.weights[-1])

    def _travel(self, city: City, at: float) -> None:
        user = self._user
        if city is not user.city:
            # Not before what they have just paid for.
            user.away_until = max(at, user.last_at) + travel_hours(user.city, city) * 3600
            user.city = city

    def _destination(self, random: Random) -> City:
        user = self._user
        if user.abroad is not None and random.random() < 0.8:
            return user.abroad
        return min(random.sample(CITIES, 3), key=lambda city: distance_km(user.home, city))
