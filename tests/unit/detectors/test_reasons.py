"""How a score is split into reasons: few lines, each worth reading, and together the whole score."""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.features import FEATURES
from detectors.feedback import Feedback, Tolerance, merchant_lifts
from detectors.reasons import adjusted, brief, strongest
from detectors.state import UserState
from detectors.worth import Labels
from domain.transaction import Device, Location, Merchant
from domain.verdict import BANDS, Reason, Verdict
from tests.unit.detectors.town import LISBON, purchase, traffic

States = dict[str, UserState]
TAKEOVER = purchase(
    amount=Decimal(900),
    timestamp=purchase().timestamp.replace(hour=3),
    location=LISBON,
    merchant=Merchant(id="m-new", category="crypto"),
    device=Device(id="stolen"),
    payment_method="wire",
)


def shares(**odd: float) -> list[float]:
    """Shares by feature, those that are not named being 0."""
    names = [feature.name for feature in FEATURES]
    return [odd.get(name, 0.0) for name in [*names, "recent_suspicion", "merchant_risk"]]


def told(verdict: Verdict) -> list[Reason]:
    return [reason for reason in verdict.reasons if reason.factor != "other"]


def test_features_that_see_the_same_thing_are_one_line() -> None:
    lines = strongest(shares(amount_user=4.0, amount_category=6.0, amount_population=8.0))
    assert [(part, FEATURES[index].name) for part, index in lines] == [(1.0, "amount_population")]


def test_an_hour_at_which_a_user_often_buys_is_no_reason() -> None:
    assert strongest(shares(hour=6.0 * 0.4**2, amount_user=0.1)) == []
    found = brief(np.array([0.3]), np.array([shares(hour=6.0 * 0.4**2, amount_user=0.1)]))
    assert found.reasons(0, 0.3) == (Reason("other", "other", 0.3),)


def test_lines_end_where_they_carry_nine_tenths_of_the_score() -> None:
    lines = strongest(shares(country=60.0, device=32.0, payment_method=8.0))
    assert [FEATURES[index].name for _, index in lines] == ["country", "device"]


def test_a_takeover_has_three_lines_and_names_the_others(enhanced: EnhancedModel, states: States) -> None:
    (verdict,) = enhanced.score([TAKEOVER], states)
    *lines, other = verdict.reasons
    assert len(lines) == 3
    assert all(line.text and line.factor != "other" for line in lines)
    assert (other.feature, other.factor) == ("other", "other")
    assert other.text.startswith("weaker reasons: ")
    assert "_" not in other.text
    assert sum(reason.contribution for reason in verdict.reasons) == pytest.approx(verdict.score, abs=1e-12)


def test_what_is_odd_all_over_and_nowhere_much_says_so(enhanced: EnhancedModel, states: States) -> None:
    unusual = [
        verdict
        for verdict in enhanced.score(traffic(3000, seed=3), states)
        if verdict.score >= 0.5 and not told(verdict)
    ]
    for verdict in unusual:
        (only,) = verdict.reasons
        assert only.text == "small departures from habit, none of them odd by itself"
        assert only.contribution == verdict.score


def test_a_series_a_risky_merchant_and_a_spared_false_positive_are_said(
    enhanced: EnhancedModel, fresh_states: Callable[[], States]
) -> None:
    here = purchase().merchant.id or ""
    risky = Feedback(merchant_lifts({here: 40}, {here: 20}, 10_000), {here: 40}, {here: 20})
    spike = purchase(amount=Decimal(4000))
    (risk,) = enhanced.score([purchase()], fresh_states(), feedback=risky)
    (alert,) = enhanced.score([spike], fresh_states())
    until = 1_900_000_000.0
    tolerance = Tolerance.of("t-1", until, alert.score, alert.threshold, alert.reasons)
    assert tolerance is not None
    (spared,) = enhanced.score([spike], fresh_states(), feedback=Feedback(tolerated={"u-000": (tolerance,)}))
    assert told(risk)[0].text == "20 of 40 transactions at this merchant 8 to 15 days before turned out to be fraud"
    assert spared.reasons[-1].text == (
        f"threshold raised from {alert.threshold:.2f} to {spared.threshold:.2f} until 2030-03-17: "
        "t-1 was a false positive for the same reasons"
    )


def test_the_basic_detector_compares_with_all_transactions(basic: BasicModel) -> None:
    (verdict,) = basic.score(
        [
            purchase(
                amount=Decimal(90_000),
                timestamp=purchase().timestamp.replace(hour=3),
                location=Location(country="MT"),
                merchant=Merchant(category="electronics"),
            )
        ]
    )
    assert verdict.flagged
    assert {reason.feature: reason.text for reason in verdict.reasons} == {
        "amount": "90,000.00 EUR; half of all transactions are below 60.95 EUR",
        "category": "8% of all transactions have category electronics; most often it is grocery",
        "hour": "03:00 UTC, unusual together with the rest of the transaction",
        "other": "the other fields together",
    }


def test_the_basic_detector_does_not_say_what_many_transactions_have(basic: BasicModel) -> None:
    for verdict in basic.score(traffic(600, seed=6)):
        assert len(told(verdict)) <= 3
        assert not any("purchase" in reason.text or "FR" in reason.text for reason in told(verdict))


def test_a_correction_that_nobody_can_see_is_no_reason() -> None:
    labels = (Labels(1, 0),) * 4
    assert adjusted(0.9961, 0.9964, labels) == ()
    (said,) = adjusted(0.91, 0.94, labels)
    assert said.text == "estimate corrected from 0.91 to 0.94: 1 of 1 such alerts were confirmed"
    assert adjusted(BANDS[1] - 0.0001, BANDS[1], labels), "its decision counts in another band"
