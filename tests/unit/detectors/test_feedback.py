"""What analysts' decisions change in scores, and what they leave alone."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from detectors.enhanced import EnhancedModel
from detectors.feedback import MARGIN, NO_FEEDBACK, Feedback, Tolerance, merchant_lifts
from detectors.state import UserState
from detectors.worth import log_odds
from domain.transaction import Device, Transaction
from domain.verdict import Verdict
from tests.unit.detectors.town import LISBON, purchase, traffic

States = dict[str, UserState]
Judge = Callable[..., tuple[Verdict, UserState]]


@pytest.fixture
def judge(enhanced: EnhancedModel, fresh_states: Callable[[], States]) -> Judge:
    """Scores one transaction after the same history, with feedback or without; also the state it leaves."""

    def score(transaction: Transaction, feedback: Feedback = NO_FEEDBACK) -> tuple[Verdict, UserState]:
        states = fresh_states()
        (verdict,) = enhanced.score([transaction], states, feedback=feedback)
        return verdict, states[transaction.user_id]

    return score


def tolerating(verdict: Verdict, transaction: Transaction, days: float = 30) -> Feedback:
    until = (transaction.timestamp + timedelta(days=days)).timestamp()
    tolerance = Tolerance.of("t-earlier", until, verdict.score, verdict.threshold, verdict.reasons)
    assert tolerance is not None
    return Feedback(tolerated={transaction.user_id: (tolerance,)})


SPIKE = purchase(amount=Decimal(4000))


def test_a_false_positive_raises_the_bar_for_the_same_reasons_and_says_so(judge: Judge) -> None:
    before, _ = judge(SPIKE)
    after, _ = judge(SPIKE, tolerating(before, SPIKE))
    assert before.flagged
    assert not after.flagged
    assert after.score == before.score
    assert log_odds(after.threshold) == pytest.approx(log_odds(before.score) + MARGIN)
    assert "was a false positive" in after.reasons[-1].text
    assert sum(reason.contribution for reason in after.reasons) == pytest.approx(after.score)


def test_a_false_positive_spares_nobody_for_other_reasons(judge: Judge) -> None:
    spared, _ = judge(SPIKE)
    stranger = purchase(location=LISBON, device=Device(id="stolen", type="desktop"), payment_method="wire")
    before, _ = judge(stranger)
    after, _ = judge(stranger, tolerating(spared, stranger))
    assert before.flagged
    assert after.flagged


def test_a_false_positive_counts_until_it_expires(judge: Judge) -> None:
    before, _ = judge(SPIKE)
    later = purchase(amount=Decimal(4000), timestamp=SPIKE.timestamp + timedelta(days=31))
    assert judge(later)[0].flagged
    assert judge(later, tolerating(before, SPIKE, days=30))[0].flagged
    assert not judge(later, tolerating(before, SPIKE, days=32))[0].flagged


def test_a_false_positive_is_one_users_own(judge: Judge) -> None:
    before, _ = judge(SPIKE)
    other = purchase(user_id="u-001", amount=Decimal(9000))
    assert judge(other, tolerating(before, SPIKE))[0] == judge(other)[0]


def test_frauds_confirmed_at_a_merchant_raise_what_is_bought_there(judge: Judge) -> None:
    here = purchase().merchant.id or ""
    seen, confirmed = {here: 40}, {here: 36}
    feedback = Feedback(merchant_lifts(seen, confirmed, 10_000), seen, confirmed)
    before, _ = judge(purchase())
    after, _ = judge(purchase(), feedback)
    assert not before.flagged
    assert after.flagged
    (risk,) = [reason for reason in after.reasons if reason.feature == "merchant_risk"]
    assert risk.factor == "merchant"
    assert risk.text.startswith("36 of 40 transactions at this merchant")
    assert sum(reason.contribution for reason in after.reasons) == pytest.approx(after.score)


def test_lifts_are_log_odds_over_what_is_usual_and_never_negative() -> None:
    lifts = merchant_lifts({"bad": 98, "good": 1_000}, {"bad": 49, "good": 1}, 10_000)
    assert lifts["bad"] == pytest.approx(2.0, abs=0.02)
    assert "good" not in lifts
    assert merchant_lifts({"bad": 98}, {}, 10_000) == {}


def test_states_learn_the_same_whatever_analysts_decide(judge: Judge) -> None:
    before, learnt = judge(SPIKE)
    feedback = tolerating(before, SPIKE)
    feedback = Feedback({SPIKE.merchant.id or "": 2.0}, {}, {}, feedback.tolerated)
    assert judge(SPIKE, feedback)[1] == learnt


def test_a_user_with_an_alert_rate_of_their_own_has_another_bar(enhanced: EnhancedModel, states: States) -> None:
    strict = Feedback(alert_rates={"u-000": 0.05})
    usual = enhanced.threshold("u-000", states["u-000"])
    lowered = enhanced.threshold("u-000", states["u-000"], strict)
    assert lowered < usual
    assert enhanced.threshold("u-001", states["u-001"], strict) == enhanced.threshold("u-001", states["u-001"])


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_an_alert_rate_of_ones_own_is_met(
    enhanced: EnhancedModel, states: States, history: list[Transaction], rate: float
) -> None:
    later = [
        purchase(
            **{
                field: getattr(each, field) for field in each.__struct_fields__ if field not in ("timestamp", "user_id")
            },
            user_id="u-007",
            timestamp=each.timestamp + timedelta(days=40 + 2 * (each.timestamp - history[0].timestamp).days),
        )
        for each in traffic(4000, seed=5, users=1)
    ]
    flags = [v.flagged for v in enhanced.score(later, states, feedback=Feedback(alert_rates={"u-007": rate}))]
    assert 0.8 * rate < sum(flags[1000:]) / 3000 < 1.2 * rate
