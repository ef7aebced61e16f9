"""Shops: what each category costs, and who sells it in which city."""

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from domain.transaction import Merchant
from simulator.places import City

if TYPE_CHECKING:
    from faker import Faker


class Category(NamedTuple):
    """Amounts are log-normal: `median` in euros, `spread` the standard deviation of the logarithm.

    `share` is how common the category is among people, `shops` how many merchants a city has in it.
    """

    name: str
    median: float
    spread: float
    share: float
    shops: int
    transaction_type: str = "purchase"


CATEGORIES = {
    category.name: category
    for category in (
        Category("groceries", 32, 0.4, 1.0, 5),
        Category("restaurants", 24, 0.35, 0.9, 6),
        Category("fuel", 52, 0.25, 0.6, 3),
        Category("transport", 9, 0.4, 0.7, 3),
        Category("pharmacy", 18, 0.4, 0.5, 3),
        Category("clothing", 58, 0.4, 0.45, 4),
        Category("home", 75, 0.5, 0.35, 3),
        Category("entertainment", 22, 0.4, 0.5, 4),
        Category("utilities", 70, 0.25, 0.3, 2, "online"),
        Category("online_retail", 42, 0.55, 0.7, 5, "online"),
        Category("digital_goods", 8, 0.35, 0.4, 4, "online"),
        Category("cash", 90, 0.35, 0.4, 3, "withdrawal"),
        Category("electronics", 190, 0.55, 0.12, 3),
        Category("travel", 260, 0.5, 0.12, 3, "online"),
        Category("jewellery", 240, 0.55, 0.05, 2),
        Category("gift_cards", 45, 0.35, 0.05, 2, "online"),
        Category("money_transfer", 150, 0.55, 0.06, 2, "transfer"),
        Category("gambling", 40, 0.6, 0.05, 2, "online"),
    )
}


class Shop(NamedTuple):
    """A merchant with its category and its price level against the category's median."""

    merchant: Merchant
    category: Category
    level: float


class Directory:
    """The merchants of every city, made when first asked for; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._shops: dict[tuple[str, str], tuple[Shop, ...]] = {}
        self._fakers: dict[str, Faker] = {}

    def shops(self, city: City, category: Category) -> tuple[Shop, ...]:
        """The city's merchants in a category."""
        key = city.name, category.name
        if key not in self._shops:
            self._shops[key] = self._open(city, category)
        return self._shops[key]

    def _open(self, city: City, category: Category) -> tuple[Shop, ...]:
        random = Random(f"{self._seed}/{city.name}/{category.name}")
        faker = self._faker(city.country.locale)
        faker.seed_instance(random.getrandbits(32))
        town = "".join(letter for letter in city.name.lower() if letter.isascii() and letter.isalpha())
        return tuple(
            Shop(
                Merchant(f"m-{town}-{category.name}-{number}", faker.company(), category.name),
                category,
                random.lognormvariate(0, 0.25),
            )
            for number in range(1, category.shops + 1)
        )

    def _faker(self, locale: str) -> "Faker":
        if locale not in self._fakers:
            from faker import Faker  # its import takes a third of a second, which only a running simulator pays

            self._fakers[locale] = Faker(locale, providers=["faker.providers.person", "faker.providers.company"])
        return self._fakers[locale]
