"""The smallest change of one field with which an alert would not have been raised."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from detectors.counterfactual import counterfactual
from detectors.enhanced import EnhancedModel
from detectors.feedback import Feedback
from detectors.policy import Policy
from detectors.state import UserState
from domain.transaction import Device, Merchant, Transaction
from tests.unit.detectors.town import LISBON, purchase, put

States = dict[str, UserState]
SPIKE = purchase(amount=Decimal(4000))


def test_the_amount_found_is_not_flagged_and_half_of_the_change_is(enhanced: EnhancedModel, states: States) -> None:
    state = states["u-000"]
    found = counterfactual(SPIKE, state, enhanced)
    assert found is not None
    assert found.field == "amount"
    lowered = Decimal(found.value)
    assert found.text == f"not flagged at {lowered:,.2f} EUR or less"
    flagged = {
        amount: enhanced.judge(purchase(amount=amount), state).flagged
        for amount in (lowered, lowered + Decimal("0.01"), (lowered + SPIKE.amount) / 2)
    }
    assert list(flagged.values()) == [False, True, True]


def test_the_delay_found_is_not_flagged_and_half_of_it_is(history: list[Transaction], states: States) -> None:
    enhanced = EnhancedModel.fit(history, version="v1", policy=Policy(alert_rate=0.005))
    moment = purchase().timestamp
    enhanced.score([purchase(timestamp=moment - timedelta(minutes=2), location=LISBON)], states)
    hop = purchase(timestamp=moment)
    put(states, "u-000", LISBON, moment - timedelta(seconds=120))
    state = states["u-000"]
    assert enhanced.judge(hop, state).flagged
    found = counterfactual(hop, state, enhanced)
    assert found is not None
    assert found.field == "timestamp"
    later = datetime.fromisoformat(found.value)
    assert found.text.endswith(f" later, at {later:%H:%M} UTC")
    assert not enhanced.judge(purchase(timestamp=later), state).flagged
    assert enhanced.judge(purchase(timestamp=moment + (later - moment) / 2), state).flagged


@pytest.mark.parametrize(
    ("changes", "field", "text"),
    [
        ({"device": Device(id="stolen")}, "device", "not flagged with a device this user has used, such as phone-0"),
        ({"payment_method": "wire"}, "payment_method", "not flagged if paid by card"),
        ({"merchant": Merchant(id="m-9", category="crypto")}, "category", "not flagged in category grocery"),
        ({"transaction_type": "withdrawal"}, "transaction_type", "not flagged as transaction type purchase"),
        ({"location": LISBON}, "country", "not flagged in FR, where this user usually is"),
    ],
)
def test_one_new_value_among_known_ones_is_what_would_have_to_be_known(
    enhanced: EnhancedModel, states: States, changes: dict[str, object], field: str, text: str
) -> None:
    odd = purchase(**changes, amount=Decimal(90))
    strict = Feedback(alert_rates={"u-000": 0.05})
    found = counterfactual(odd, states["u-000"], enhanced, strict)
    assert found is not None
    assert (found.field, found.text) == (field, text)


def test_what_is_odd_in_too_many_fields_has_none(enhanced: EnhancedModel, states: States) -> None:
    takeover = purchase(
        amount=Decimal(90_000),
        timestamp=purchase().timestamp.replace(hour=3),
        location=LISBON,
        merchant=Merchant(id="m-new", category="crypto"),
        device=Device(id="stolen"),
        payment_method="wire",
    )
    assert counterfactual(takeover, states["u-000"], enhanced) is None


@pytest.mark.parametrize("odd", [purchase(), purchase(amount=Decimal("NaN")), purchase(amount=Decimal(-500))])
def test_what_is_not_flagged_needs_no_change(enhanced: EnhancedModel, states: States, odd: Transaction) -> None:
    assert counterfactual(odd, states["u-000"], enhanced) is None


def test_asking_changes_neither_the_state_nor_the_measure_of_drift(
    enhanced: EnhancedModel, fresh_states: Callable[[], States]
) -> None:
    model = EnhancedModel.from_bytes(enhanced.to_bytes())
    states = fresh_states()
    before = states["u-000"].to_bytes()
    for _ in range(20):
        counterfactual(SPIKE, states["u-000"], model)
    assert states["u-000"].to_bytes() == before
    assert model.drift() == {}
    assert model.score([SPIKE], states) == enhanced.score([SPIKE], fresh_states())
    assert model.judge(SPIKE, UserState.from_bytes(before)) == enhanced.judge(SPIKE, fresh_states()["u-000"])
