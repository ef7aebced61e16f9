"""What must hold of both detectors whatever they are sent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.features import FEATURES
from detectors.fitting import NOTHING_FITTED
from detectors.inputs import inputs_of
from detectors.state import States, UserState
from detectors.stream import passed
from domain.transaction import Device, Location, Merchant, Transaction
from tests.unit.detectors.town import purchase

EPOCH = datetime(2026, 4, 1, tzinfo=UTC)
LARGE = [index for index, feature in enumerate(FEATURES) if feature.factor == "amount" and "low" not in feature.name]

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
numbers = st.one_of(
    st.sampled_from([Decimal(0), Decimal("-12.50"), Decimal(10) ** 15, Decimal("0.01")]),
    st.decimals(min_value=-10_000, max_value=10**15, places=2, allow_nan=False, allow_infinity=False),
)
amounts = st.one_of(numbers, st.just(Decimal("NaN")))
words = st.one_of(st.none(), st.text(max_size=60))
degrees = st.one_of(st.none(), st.floats(-90, 90))


@st.composite
def transactions(draw: st.DrawFn) -> Transaction:
    latitude = draw(degrees)
    return purchase(
        user_id=draw(st.sampled_from(["u-000", "u-001", "stranger"])),
        amount=draw(amounts),
        # The clock may run backwards.
        timestamp=EPOCH + timedelta(seconds=draw(st.integers(-10_000_000, 10_000_000))),
        currency=draw(st.sampled_from(["EUR", "USD", "JPY", "ZZZ"])),
        location=Location(draw(words), draw(words), latitude, latitude),
        merchant=Merchant(draw(words), draw(words), draw(words)),
        device=Device(draw(words), draw(words)),
        payment_method=draw(words),
        transaction_type=draw(words),
    )


@quick
@given(sent=st.lists(transactions(), min_size=1, max_size=12))
def test_every_score_is_a_number_between_0_and_1(
    basic: BasicModel, enhanced: EnhancedModel, sent: list[Transaction]
) -> None:
    states: dict[str, UserState] = {}
    for verdict in [*basic.score(sent), *enhanced.score(sent, states)]:
        assert 0.0 <= verdict.score <= 1.0
        assert isfinite(verdict.threshold)
        assert abs(sum(reason.contribution for reason in verdict.reasons) - verdict.score) < 1e-9
    for state in states.values():
        assert UserState.from_bytes(state.to_bytes()) == state


@quick
@given(one=numbers, other=numbers, seen=st.integers(0, 200))
def test_a_larger_amount_never_lowers_the_evidence_of_the_amount(
    enhanced: EnhancedModel, history: list[Transaction], one: Decimal, other: Decimal, seen: int
) -> None:
    states: dict[str, UserState] = {}
    enhanced.score([each for each in history if each.user_id == "u-000"][:seen], states)
    state = states.get("u-000", UserState())

    def evidence(amount: Decimal) -> list[float]:
        rows, population = inputs_of([purchase(amount=amount)]), enhanced.population
        states = States(["u-000"], {"u-000": state.copy()}, {})
        found = passed(rows, states, population, population.usual(), NOTHING_FITTED, None)
        return [found.values[0, index] for index in LARGE]

    small, large = sorted((one, other))
    assert all(low <= high for low, high in zip(evidence(small), evidence(large), strict=True))


def test_a_stored_amount_of_hundreds_of_digits_keeps_no_model_from_being_fitted(history: list[Transaction]) -> None:
    huge = purchase(amount=Decimal("9" * 400), timestamp=history[-1].timestamp)
    basic, enhanced = (model.fit([*history, huge], version="v1") for model in (BasicModel, EnhancedModel))
    for verdict in (*basic.score([huge, history[0]]), *enhanced.score([huge, history[0]], {})):
        assert 0.0 <= verdict.score <= 1.0


@pytest.mark.parametrize("rows", [1, 2, 30, 400])
def test_a_model_of_next_to_no_history_still_scores(history: list[Transaction], rows: int) -> None:
    same = [purchase(transaction_id=f"t{number}", timestamp=EPOCH + timedelta(hours=number)) for number in range(rows)]
    for little in (same, history[:rows]):
        model = EnhancedModel.fit(little, version="v1")
        for verdict in model.score([*little, purchase(amount=Decimal(10) ** 15), *history[:200]], {}):
            assert 0.0 <= verdict.score <= 1.0


def test_ten_thousand_merchants_leave_a_user_within_bounds(enhanced: EnhancedModel) -> None:
    states: dict[str, UserState] = {}
    sizes = []
    for start in range(0, 10_000, 1_000):
        enhanced.score(
            [
                purchase(
                    merchant=Merchant(f"m-{number}" + "x" * 500, None, f"c-{number}"),
                    device=Device(f"d-{number}"),
                    location=Location(f"country {number}"),
                    payment_method=f"method {number}",
                    timestamp=EPOCH + timedelta(hours=number),
                )
                for number in range(start, start + 1_000)
            ],
            states,
        )
        sizes.append(len(states["u-000"].to_bytes()))
    assert max(sizes) < 20_000
    assert sizes[-1] < 1.1 * sizes[0]
