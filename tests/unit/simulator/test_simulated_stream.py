"""The simulated stream: reproducible, on schedule, made of habits, and odd only where it says so."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from math import log
from statistics import median

import pytest

from domain.currency import CURRENCIES, exponent
from domain.transaction import GroundTruth, Transaction
from services.records import wire
from simulator import KINDS, Simulator, history
from simulator.places import CITIES, City, distance_km
from simulator.population import User

START = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
PLACES = {city.name: city for city in CITIES}
Labelled = list[tuple[Transaction, GroundTruth]]


def stream(count: int, **settings: object) -> Labelled:
    return list(islice(Simulator(**{"start": START, **settings}).stream(), count))  # type: ignore[arg-type]


@cache
def quarter() -> Labelled:
    """Ninety days of a hundred users at a human pace."""
    return list(history(90, end=START))


@cache
def by_user() -> dict[str, Labelled]:
    users: dict[str, Labelled] = defaultdict(list)
    for transaction, truth in quarter():
        users[transaction.user_id].append((transaction, truth))
    return users


def of_kind(kind: str) -> list[Transaction]:
    return [transaction for transaction, truth in quarter() if truth.kind == kind]


def habits(user_id: str) -> list[Transaction]:
    return [transaction for transaction, truth in by_user()[user_id] if not truth.anomalous]


def test_the_same_seed_gives_the_same_stream() -> None:
    assert stream(2000, seed=7) == stream(2000, seed=7)


def test_another_seed_gives_another_population() -> None:
    assert stream(50, seed=7) != stream(50, seed=8)


def test_ids_are_unique_and_a_run_prefix_keeps_runs_apart() -> None:
    first = {transaction.transaction_id for transaction, _ in stream(2000, run="a1")}
    second = {transaction.transaction_id for transaction, _ in stream(2000, run="b2")}
    assert len(first) == 2000
    assert not first & second


@pytest.mark.parametrize("rate", [0.01, 10.0, 5000.0])
def test_event_times_keep_the_rate_and_never_run_backwards(rate: float) -> None:
    times = [transaction.timestamp for transaction, _ in stream(2000, rate=rate)]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[-1] - START == pytest.approx(timedelta(seconds=2000 / rate), abs=timedelta(seconds=1.5 / rate))


def test_a_stream_that_was_held_up_catches_up_without_a_backlog() -> None:
    simulator = Simulator(start=START, rate=10.0)
    rows = simulator.stream()
    next(rows)
    simulator.catch_up(START + timedelta(hours=1))
    assert next(rows)[0].timestamp >= START + timedelta(hours=1)
    simulator.catch_up(START)
    assert next(rows)[0].timestamp >= START + timedelta(hours=1)


@pytest.mark.parametrize("anomaly_rate", [0.0, 0.05, 0.3, 1.0])
def test_the_anomaly_rate_counts_transactions(anomaly_rate: float) -> None:
    truths = [truth for _, truth in stream(10_000, anomaly_rate=anomaly_rate)]
    assert sum(truth.anomalous for truth in truths) / len(truths) == pytest.approx(anomaly_rate, abs=0.002)


def test_every_kind_of_anomaly_occurs_and_about_equally_often() -> None:
    counts = Counter(truth.kind for _, truth in quarter() if truth.anomalous)
    assert set(counts) == set(KINDS)
    # Bursts come in dozens, so that a quarter has but a handful of them.
    assert max(counts.values()) < 3 * min(counts.values())


@pytest.mark.parametrize("settings", [{"users": 0}, {"rate": 0.0}, {"anomaly_rate": 1.5}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        stream(1, **settings)


def test_one_user_is_enough() -> None:
    assert {transaction.user_id for transaction, _ in stream(500, users=1)} == {"u-0001"}


def test_what_is_simulated_is_valid_on_the_wire() -> None:
    for transaction, _ in stream(2000):
        assert wire.decode(wire.encode(transaction)) == transaction
        assert transaction.currency in CURRENCIES
        assert -transaction.amount.as_tuple().exponent <= exponent(transaction.currency)  # type: ignore[operator]
        assert transaction.amount > 0


def test_history_ends_where_it_is_told_and_lasts_as_long() -> None:
    times = [transaction.timestamp for transaction, _ in quarter()]
    assert START - timedelta(hours=1) < times[-1] < START
    assert START - timedelta(days=90) <= times[0] < START - timedelta(days=89.9)
    assert len(times) == pytest.approx(90 * 100 * 10, rel=0.01)


def test_users_differ_in_how_much_they_transact_and_when() -> None:
    counts = [len(rows) for rows in by_user().values()]
    assert max(counts) > 5 * min(counts)
    quiet = []
    for user_id in by_user():
        hours = Counter(transaction.timestamp.hour for transaction in habits(user_id))
        quiet.append(sum(sorted(hours[hour] for hour in range(24))[:8]) / hours.total())
    assert median(quiet) < 0.06


def test_users_have_usual_merchants_in_their_home_city() -> None:
    repeated = 0
    for user_id in by_user():
        merchants = Counter(transaction.merchant.id for transaction in habits(user_id))
        repeated += sum(count for count in merchants.values() if count > 2)
    assert repeated > 0.75 * len(quarter())


def test_ordinary_life_has_trips_big_purchases_and_new_telephones() -> None:
    users = [habits(user_id) for user_id in by_user()]
    assert sum(len({row.location.country for row in rows}) > 1 for rows in users) > 20
    assert sum(len({row.device.id for row in rows}) > 2 for rows in users) > 5


@pytest.mark.parametrize("rate", [100 * 3 / 86_400, 20.0])
def test_nobody_travels_faster_than_people_can_unless_labelled(rate: float) -> None:
    last: dict[str, tuple[datetime, City]] = {}
    for transaction, truth in stream(20_000, rate=rate):
        if truth.anomalous or transaction.location.city is None:
            continue
        city = PLACES[transaction.location.city]
        if transaction.user_id in last:
            since, origin = last[transaction.user_id]
            hours = (transaction.timestamp - since) / timedelta(hours=1)
            assert distance_km(origin, city) <= 701 * hours
        last[transaction.user_id] = transaction.timestamp, city


def test_an_amount_spike_is_large_for_its_user_and_category() -> None:
    ratios = []
    for spike in of_kind("amount_spike"):
        usual = [
            float(row.amount)
            for row in habits(spike.user_id)
            if (row.merchant.category, row.currency) == (spike.merchant.category, spike.currency)
        ]
        if len(usual) > 5:
            ratios.append(float(spike.amount) / median(usual))
    assert median(ratios) > 4


def test_a_category_or_method_switch_and_a_new_device_are_rare_for_their_user() -> None:
    for kind, field in (
        ("category_switch", "merchant.category"),
        ("payment_method_switch", "payment_method"),
        ("new_device", "device.id"),
    ):
        for odd in of_kind(kind):
            rows = habits(odd.user_id)
            same = sum(value_of(row, field) == value_of(odd, field) for row in rows)
            assert same <= 0.05 * len(rows) + 3


def test_an_unusual_country_is_not_a_usual_one() -> None:
    for odd in of_kind("unusual_country"):
        rows = habits(odd.user_id)
        assert Counter(row.location.country for row in rows).most_common(1)[0][0] != odd.location.country


def test_an_unusual_hour_is_one_the_user_hardly_knows() -> None:
    shares = []
    for odd in of_kind("unusual_hour"):
        hours = Counter(row.timestamp.hour for row in habits(odd.user_id))
        if hours.total() > 100:
            shares.append(hours[odd.timestamp.hour] / hours.total())
    assert median(shares) < 0.01


def test_impossible_travel_is_faster_than_any_aircraft() -> None:
    checked = 0
    for rows in by_user().values():
        for (before, _), (after, truth) in pairwise(rows):
            if truth.kind == "impossible_travel":
                hours = (after.timestamp - before.timestamp) / timedelta(hours=1)
                here, there = PLACES[before.location.city or ""], PLACES[after.location.city or ""]
                assert distance_km(here, there) > 1500 * hours
                checked += 1
    assert checked > 50


@pytest.mark.parametrize(("kind", "count"), [("velocity_burst", 5), ("card_testing", 5), ("account_takeover", 3)])
def test_episodes_come_in_a_burst(kind: str, count: int) -> None:
    rows = of_kind(kind)
    episodes: list[list[Transaction]] = []
    for row in rows:
        if episodes and row.user_id == episodes[-1][0].user_id:
            episodes[-1].append(row)
        else:
            episodes.append([row])
    assert all(len(episode) >= count for episode in episodes)
    lengths = [episode[-1].timestamp - episode[0].timestamp for episode in episodes]
    assert sorted(lengths)[len(lengths) // 2] < timedelta(minutes=15)


def test_card_testing_uses_small_amounts_and_strange_merchants() -> None:
    for row in of_kind("card_testing"):
        usual = median(log(float(other.amount)) for other in habits(row.user_id) if other.currency == row.currency)
        assert log(float(row.amount)) < usual


def test_a_takeover_brings_one_new_device_for_all_its_transactions() -> None:
    for row in of_kind("account_takeover"):
        assert row.device.id not in {other.device.id for other in habits(row.user_id)}


def value_of(transaction: Transaction, path: str) -> str | None:
    group, _, name = path.rpartition(".")
    value: str | None = getattr(getattr(transaction, group) if group else transaction, name)
    return value


def test_a_stream_goes_on_with_its_people_where_an_unbroken_one_would_have_taken_them() -> None:
    later = START + timedelta(days=60)
    whole = Simulator(seed=3, start=START, rate=0.01)
    for transaction, _ in whole.stream():
        if transaction.timestamp >= later:
            break
    resumed = Simulator(seed=3, start=later, rate=0.01, begun=START, number=whole.number)
    assert next(resumed.stream())[0].timestamp >= later
    # Once everybody was looked at after that time.
    for simulator in (whole, resumed):
        list(islice(simulator.stream(), 3_000))
    moved = 0
    for before, after in zip(whole.users, resumed.users, strict=True):
        assert (before.home, before.level, before.devices.items) == (after.home, after.level, after.devices.items)
        assert before.favourites.keys() == after.favourites.keys()
        moved += before.favourites != population_at_birth()[before.id].favourites
    assert moved > 50


@cache
def population_at_birth() -> dict[str, User]:
    return {user.id: user for user in Simulator(seed=3, start=START).users}


def test_nine_in_ten_people_buy_some_four_to_twenty_times_a_day() -> None:
    daily = sorted(len(rows) / 90 for rows in by_user().values())
    assert daily[5] > 3.5
    assert daily[-6] < 20


def test_every_kind_comes_within_two_weeks() -> None:
    for seed in range(5):
        fortnight = history(14, end=START, seed=seed)
        assert {truth.kind for _, truth in fortnight if truth.anomalous} == set(KINDS)


def test_kinds_can_be_left_out() -> None:
    found = stream(5_000, anomaly_rate=0.3, kinds=("amount_spike", "card_testing"))
    assert {truth.kind for _, truth in found} == {None, "amount_spike", "card_testing"}
