"""The enhanced detector: what it flags, what it learns, and that partitions make no difference."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import islice

import pytest

from detectors.enhanced import EnhancedModel
from detectors.policy import Policy
from detectors.state import UserState
from domain.transaction import NO_DEVICE, NO_MERCHANT, NOWHERE, Device, Location, Merchant, Transaction
from domain.verdict import Severity, Verdict
from simulator import Simulator
from tests.unit.detectors.town import LISBON, PARIS, START, purchase, put, settled, traffic


def verdict_of(model: EnhancedModel, states: dict[str, UserState], transaction: Transaction) -> Verdict:
    return model.score([transaction], states)[0]


def test_an_ordinary_purchase_is_not_flagged(enhanced: EnhancedModel, states: dict[str, UserState]) -> None:
    verdict = verdict_of(enhanced, states, purchase())
    assert not verdict.flagged
    assert verdict.severity is Severity.NORMAL


def test_an_amount_spike_is_critical_and_says_how_many_times_the_usual(
    enhanced: EnhancedModel, states: dict[str, UserState]
) -> None:
    verdict = verdict_of(enhanced, states, purchase(amount=Decimal("9200.00")))
    assert verdict.flagged
    assert verdict.severity is Severity.CRITICAL
    assert verdict.reasons[0].factor == "amount"
    assert verdict.reasons[0].text.startswith("9,200.00 EUR is ")
    assert "times what this user usually spends" in verdict.reasons[0].text


def test_what_is_spent_on_the_day_after_a_fraud_is_the_user_s_own_again(
    enhanced: EnhancedModel, states: dict[str, UserState]
) -> None:
    ordinary = purchase()
    fraud = purchase(transaction_id="fraud", amount=Decimal("9200.00"))
    later = [
        purchase(transaction_id=f"later-{hours}", timestamp=ordinary.timestamp + timedelta(hours=hours))
        for hours in (4, 8)
    ]
    verdicts = enhanced.score([fraud, *later], states)
    assert [verdict.flagged for verdict in verdicts] == [True, False, False]


def test_impossible_travel_names_the_speed_and_where_from(
    enhanced: EnhancedModel, states: dict[str, UserState]
) -> None:
    moment = purchase().timestamp
    put(states, "u-000", LISBON, moment - timedelta(minutes=14))
    verdict = verdict_of(enhanced, states, purchase(amount=Decimal(400), timestamp=moment))
    (travel,) = [reason for reason in verdict.reasons if reason.feature == "travel"]
    assert travel.factor == "location"
    assert travel.text.startswith("1,453 km from Lisbon, where this user was 14 minutes before: at least")


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({"location": Location(country="MT")}, "location"),
        ({"device": Device(id="stolen", type="desktop")}, "device"),
        ({"payment_method": "wire"}, "payment"),
        ({"merchant": Merchant(id="m-new", category="crypto")}, "merchant"),
        ({"timestamp": purchase().timestamp.replace(hour=3)}, "time"),
    ],
)
def test_what_the_user_never_did_raises_the_score_for_that_reason(
    enhanced: EnhancedModel, fresh_states: Callable[[], dict[str, UserState]], changes: dict[str, object], factor: str
) -> None:
    usual = verdict_of(enhanced, fresh_states(), purchase())
    verdict = verdict_of(enhanced, fresh_states(), purchase(**changes))
    assert verdict.score > usual.score
    assert verdict.reasons[0].factor == factor


def test_contributions_sum_to_the_score(enhanced: EnhancedModel, states: dict[str, UserState]) -> None:
    odd = [purchase(amount=Decimal(10) ** power) for power in range(6)]
    for verdict in enhanced.score([*traffic(600, seed=3), *odd], states):
        assert sum(reason.contribution for reason in verdict.reasons) == pytest.approx(verdict.score, abs=1e-9)


def test_a_flagged_transaction_is_met_but_teaches_no_habits(
    enhanced: EnhancedModel, states: dict[str, UserState]
) -> None:
    before = states["u-000"].habits()
    odd = purchase(amount=Decimal(50_000), merchant=Merchant(id="m-odd", category="crypto"))
    assert verdict_of(enhanced, states, odd).flagged
    after = states["u-000"].habits()
    assert after.amount == before.amount
    assert after.hours == before.hours
    assert after.gap == before.gap
    assert after.merchants.of == {**before.merchants.of, "m-odd": 2}
    assert after.countries == before.countries
    assert after.last_time == odd.timestamp.timestamp()
    assert after.flagged == before.flagged + 1


def test_a_user_whose_habits_moved_for_good_is_not_flagged_for_ever(
    enhanced: EnhancedModel, states: dict[str, UserState]
) -> None:
    moved = [
        purchase(
            amount=Decimal(400 + day % 7),
            timestamp=purchase().timestamp + timedelta(hours=8 * day),
            location=LISBON,
            device=Device(id="new-phone", type="mobile"),
        )
        for day in range(150)
    ]
    flags = [verdict.flagged for verdict in enhanced.score(moved, states)]
    assert flags[0]
    assert sum(flags[:50]) < 30
    assert sum(flags[-50:]) <= 1, [i for i, f in enumerate(flags) if f]


def test_ordinary_traffic_stays_near_the_nominal_alert_rate(
    history: list[Transaction],
) -> None:
    model = EnhancedModel.fit(history, version="v1", policy=Policy(alert_rate=0.02))
    states = settled(model, history)
    later = [
        purchase(
            **{field: getattr(each, field) for field in each.__struct_fields__ if field != "timestamp"},
            timestamp=each.timestamp + timedelta(days=40),
        )
        for each in traffic(8000, seed=5)
    ]
    flagged = sum(verdict.flagged for verdict in model.score(later, states))
    assert 0.01 < flagged / 8000 < 0.03


def test_anomalies_that_are_many_do_not_lift_the_bars_above_them() -> None:
    anomalous: list[bool] = []
    flagged: list[bool] = []
    # Of the 400 alerts of one world .03 more or fewer than usual are right by chance.
    for seed in (7, 8, 9):
        simulator = Simulator(users=60, anomaly_rate=0.05, seed=seed, start=START, rate=60 * 10 / 86_400)
        stream = list(islice(simulator.stream(), 16_000))
        rows = [transaction for transaction, _ in stream]
        model = EnhancedModel.fit(rows[:8_000], version="1")
        later = list(zip(model.score(rows, {}), stream, strict=True))[8_000:]
        anomalous += [verdict.flagged for verdict, (_, truth) in later if truth.anomalous]
        flagged += [truth.anomalous for verdict, (_, truth) in later if verdict.flagged]
    assert sum(anomalous) / len(anomalous) > 0.8
    assert sum(flagged) / len(flagged) == pytest.approx(0.8, abs=0.1)


@pytest.mark.parametrize("partitions", [1, 4, 32])
def test_how_users_are_spread_over_partitions_changes_nothing(
    enhanced: EnhancedModel, history: list[Transaction], partitions: int
) -> None:
    together: dict[str, UserState] = {}
    whole = {
        transaction.transaction_id: verdict
        for transaction, verdict in zip(history, enhanced.score(history, together), strict=True)
    }
    apart: dict[str, UserState] = {}
    for part in range(partitions):
        mine = [transaction for transaction in history if int(transaction.user_id[2:]) % partitions == part]
        states: dict[str, UserState] = {}
        for start in range(0, len(mine), 100):
            batch = mine[start : start + 100]
            for transaction, verdict in zip(batch, enhanced.score(batch, states), strict=True):
                assert verdict == whole[transaction.transaction_id]
            states = {user: UserState.from_bytes(state.to_bytes()) for user, state in states.items()}
        apart |= states
    assert apart == together


def test_a_stored_model_scores_the_same(
    enhanced: EnhancedModel, history: list[Transaction], states: dict[str, UserState]
) -> None:
    stored = EnhancedModel.from_bytes(enhanced.to_bytes())
    assert stored.version == "v1"
    unseen = traffic(600, seed=8)
    assert stored.score(unseen, settled(stored, history)) == enhanced.score(unseen, states)


def test_the_same_history_gives_the_same_model(enhanced: EnhancedModel, history: list[Transaction]) -> None:
    assert EnhancedModel.fit(history, version="v1").to_bytes() == enhanced.to_bytes()


def test_a_model_of_a_thousand_rows_already_behaves() -> None:
    rows = traffic(3000, seed=9)
    model = EnhancedModel.fit(rows[:1000], version="v1")
    states = settled(EnhancedModel.warming(), rows[:1000])
    verdicts = model.score(rows[1000:], states)
    assert sum(verdict.flagged for verdict in verdicts) / 2000 < 0.02


def test_before_any_history_it_learns_but_flags_nothing() -> None:
    states: dict[str, UserState] = {}
    verdicts = EnhancedModel.warming().score([purchase(), purchase(amount=Decimal(10) ** 15)], states)
    assert [(verdict.status, verdict.flagged, verdict.score) for verdict in verdicts] == [("warming", False, 0.0)] * 2
    assert states["u-000"].seen == 2


@pytest.mark.parametrize(
    "amount", [Decimal(0), Decimal("-0.01"), Decimal(-500), Decimal(10) ** 15, -(Decimal(10) ** 15), Decimal("1e-8")]
)
def test_any_amount_has_a_score(enhanced: EnhancedModel, states: dict[str, UserState], amount: Decimal) -> None:
    for user in ("u-000", "nobody-yet"):
        for _ in range(3):
            verdict = verdict_of(enhanced, states, purchase(user_id=user, amount=amount))
            assert 0.0 <= verdict.score <= 1.0
            assert sum(reason.contribution for reason in verdict.reasons) == pytest.approx(verdict.score, abs=1e-9)


def test_missing_fields_are_neutral(enhanced: EnhancedModel, states: dict[str, UserState]) -> None:
    bare = purchase(
        location=NOWHERE, merchant=NO_MERCHANT, device=NO_DEVICE, payment_method=None, transaction_type=None
    )
    assert not verdict_of(enhanced, states, bare).flagged


def test_a_clock_that_runs_backwards_is_survived(enhanced: EnhancedModel, states: dict[str, UserState]) -> None:
    first = purchase()
    earlier = purchase(timestamp=first.timestamp - timedelta(days=300), location=LISBON)
    verdicts = enhanced.score([first, earlier, first], states)
    assert all(0.0 <= verdict.score <= 1.0 for verdict in verdicts)
    state = states["u-000"].habits()
    assert state.last_time == first.timestamp.timestamp()
    assert state.times == sorted(state.times)
    assert state.place is not None
    assert (state.place.latitude, state.place.longitude) == (PARIS.latitude, PARIS.longitude)


def test_a_new_user_is_told_from_the_population(enhanced: EnhancedModel) -> None:
    verdict = verdict_of(enhanced, {}, purchase(user_id="new", amount=Decimal(80_000)))
    assert verdict.flagged
    assert "(0/20 transactions, using population)" in verdict.reasons[0].text
