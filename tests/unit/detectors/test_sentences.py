"""What the detectors say, word for word: one sentence for each feature in each situation that it speaks of."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

import pytest

from detectors.features import Expectation
from detectors.fitting import NOTHING_FITTED
from detectors.inputs import inputs_of
from detectors.population import Frequencies, Normal, Population
from detectors.rows import rows_of
from detectors.sentences import Situation, sentence
from detectors.state import States, UserState
from detectors.stream import passed
from domain.transaction import NO_MERCHANT, Device, Location, Merchant, Transaction
from tests.unit.detectors.town import LISBON, PARIS, purchase

NOON = purchase().timestamp
EVERYBODY = Population(
    amount_mean=50.0,
    amount_cv2=0.5,
    log_amount=Normal(3.433987, 0.5),
    log_gap=Normal(9.0, 1.0),
    mean_gap=8 * 3600.0,
    by_category={"grocery": Normal(3.931826, 0.3), "crypto": Normal(5.303305, 0.3)},
    hours=(0.01,) * 6 + (0.94 / 18,) * 18,
    **{
        name: Frequencies({}, 0.01)
        for name in (
            "merchants",
            "categories",
            "countries",
            "devices",
            "payment_methods",
            "currencies",
            "transaction_types",
        )
    },
)
NEW = " (12/20 transactions, using population)"
SHOP = Merchant(id="m-7", name="Casa Roja", category="grocery")
CRYPTO = Merchant(id="m-9", name="Coin Exchange", category="crypto")


def lived(purchases: int, last: Transaction | None = None) -> UserState:
    """A user with this many purchases of 40 EUR in Paris, eight hours apart; every tenth by wire from Spain."""
    state = UserState()
    for number in range(purchases, 0, -1):
        rare = number % 10 == 5
        one = purchase(
            amount=Decimal(40),
            timestamp=NOON - timedelta(hours=8 * number),
            location=Location(country="ES", city="Madrid") if rare else PARIS,
            payment_method="wire" if rare else "card",
        )
        learn(one, state)
    if last is not None:
        learn(last, state)
    return state


def learn(transaction: Transaction, state: UserState) -> Expectation:
    """Let the state learn a transaction; what was expected before."""
    states = States([transaction.user_id], {transaction.user_id: state}, {})
    found = passed(inputs_of([transaction]), states, EVERYBODY, EVERYBODY.usual(), NOTHING_FITTED, None)
    states.apart(0, state)
    return found.expectation(0)


def said(feature: str, state: UserState, changes: Mapping[str, object]) -> str:
    transaction = purchase(**{"amount": Decimal(40), "timestamp": NOON, **changes})
    inputs = inputs_of([transaction])
    expected = learn(transaction, state.copy())
    (numbers,) = rows_of(inputs, EVERYBODY).numbers
    return sentence(feature, Situation(transaction, inputs[0], state, expected, EVERYBODY, numbers)).text


A_MINUTE_AGO = purchase(amount=Decimal(40), timestamp=NOON - timedelta(minutes=1))
IN_LISBON = purchase(timestamp=NOON - timedelta(minutes=14), location=LISBON)


@pytest.mark.parametrize(
    ("feature", "state", "changes", "text"),
    [
        (
            "amount_user",
            lived(100),
            {"amount": Decimal(9200)},
            "9,200.00 EUR is 229 times what this user usually spends (40.20 EUR)",
        ),
        (
            "amount_user",
            lived(12),
            {"amount": Decimal(9200)},
            "9,200.00 EUR is 222 times what this user usually spends (41.43 EUR)" + NEW,
        ),
        (
            "amount_user",
            lived(0),
            {"amount": Decimal(9200)},
            "9,200.00 EUR is 184 times what users usually spend (50.00 EUR) (0/20 transactions, using population)",
        ),
        (
            "amount_user",
            lived(100),
            {"amount": Decimal(50)},
            "50.00 EUR is 1.2 times what this user usually spends (40.20 EUR)",
        ),
        (
            "amount_user",
            lived(100),
            {"amount": Decimal(2_000_000), "currency": "JPY"},
            "2,000,000 JPY is 311 times what this user usually spends (6,431 JPY)",
        ),
        (
            "amount_population",
            lived(100),
            {"amount": Decimal(9200)},
            "9,200.00 EUR is 307 times what users usually spend (30.00 EUR)",
        ),
        (
            "amount_category",
            lived(100),
            {"amount": Decimal(9200)},
            "9,200.00 EUR is 184 times what users usually spend in grocery (50.00 EUR)",
        ),
        (
            "amount_category",
            lived(100),
            {"amount": Decimal(9200), "merchant": NO_MERCHANT},
            "9,200.00 EUR is 307 times what users usually spend (30.00 EUR)",
        ),
        (
            "amount_category_low",
            lived(100),
            {"amount": Decimal("0.50")},
            "0.50 EUR, where users usually spend 50.00 EUR in grocery",
        ),
        (
            "amount_category_low",
            lived(100),
            {"amount": Decimal(-500)},
            "-500.00 EUR, where users usually spend 50.00 EUR in grocery",
        ),
        (
            "amount_user_category",
            lived(100),
            {"amount": Decimal(9200)},
            "9,200.00 EUR is 228 times what this user usually spends in grocery (40.43 EUR)",
        ),
        (
            "amount_user_category",
            lived(100),
            {"amount": Decimal(9200), "merchant": CRYPTO},
            "9,200.00 EUR is 46 times what users usually spend in crypto (200.00 EUR)",
        ),
        (
            "amount_user_category_low",
            lived(100),
            {"amount": Decimal("0.50")},
            "0.50 EUR, where this user usually spends 40.43 EUR in grocery",
        ),
        (
            "spend_day",
            lived(100),
            {"amount": Decimal(9200)},
            "9,320.00 EUR spent within 1 day; this user usually spends 120.58 EUR in that time",
        ),
        (
            "spend_day",
            lived(12),
            {"amount": Decimal(9200)},
            "9,320.00 EUR spent within 1 day; this user usually spends 124.28 EUR in that time" + NEW,
        ),
        (
            "burst_hour",
            lived(100, A_MINUTE_AGO),
            {},
            "2 transactions within 1 minute; this user usually makes one every 8 hours",
        ),
        (
            "gap",
            lived(100, A_MINUTE_AGO),
            {},
            "1 minute after this user's previous transaction; the usual gap is 8 hours",
        ),
        (
            "gap",
            lived(100, purchase(amount=Decimal(40), timestamp=NOON)),
            {},
            "less than a second after this user's previous transaction; the usual gap is 8 hours",
        ),
        ("merchant", lived(100), {"merchant": SHOP}, "new merchant for this user: Casa Roja"),
        ("merchant", lived(100), {"merchant": Merchant(id="m-7")}, "new merchant for this user: m-7"),
        (
            "merchant",
            lived(100, purchase(merchant=SHOP, timestamp=NOON)),
            {"merchant": SHOP},
            "less than 1% of this user's transactions are at Casa Roja",
        ),
        ("category", lived(100), {"merchant": CRYPTO}, "new category for this user: crypto, usually grocery"),
        (
            "category",
            lived(12),
            {"merchant": CRYPTO},
            "new category for this user: crypto, usually grocery" + NEW,
        ),
        (
            "hour",
            lived(100),
            {"timestamp": NOON + timedelta(hours=20, minutes=12)},
            "at 08:12 UTC; none of this user's transactions are between 07:00 and 10:00",
        ),
        (
            "hour",
            lived(100),
            {"timestamp": NOON + timedelta(hours=1)},
            "at 13:00 UTC; 33% of this user's transactions are between 12:00 and 15:00",
        ),
        (
            "hour",
            lived(100),
            {"timestamp": NOON, "location": Location("US", "Denver", 39.74, -104.99)},
            "at 12:00 UTC (05:00 solar time); 34% of this user's transactions are between 04:00 and 07:00",
        ),
        (
            "hour",
            lived(0),
            {"timestamp": NOON + timedelta(hours=15), "location": Location(country="FR")},
            "at 03:00 UTC; 3% of all transactions are between 02:00 and 05:00 (0/20 transactions, using population)",
        ),
        ("country", lived(100), {"location": Location(country="MT")}, "new country for this user: MT, usually FR"),
        (
            "country",
            lived(100),
            {"location": Location(country="ES")},
            "only 10% of this user's transactions are in ES, usually FR",
        ),
        ("device", lived(100), {"device": Device(id="phone-9")}, "new device for this user: phone-9, usually phone-0"),
        (
            "payment_method",
            lived(100),
            {"payment_method": "voucher"},
            "new payment method for this user: voucher, usually card",
        ),
        (
            "payment_method",
            lived(100),
            {"payment_method": "wire"},
            "only 10% of this user's transactions are by wire, usually card",
        ),
        ("currency", lived(100), {"currency": "BRL"}, "new currency for this user: BRL, usually EUR"),
        (
            "transaction_type",
            lived(100),
            {"transaction_type": "withdrawal"},
            "new transaction type for this user: withdrawal, usually purchase",
        ),
        (
            "travel",
            lived(100, IN_LISBON),
            {},
            "1,453 km from Lisbon, where this user was 14 minutes before: at least 6,100 km/h, faster than an airliner",
        ),
    ],
)
def test_each_feature_says_what_was_seen_and_what_was_expected(
    feature: str, state: UserState, changes: dict[str, object], text: str
) -> None:
    assert said(feature, state, changes) == text
