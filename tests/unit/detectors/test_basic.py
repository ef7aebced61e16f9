"""The basic detector against scikit-learn, its budget, and fields that are missing."""

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from detectors.basic import BasicModel
from detectors.forest import Forest
from detectors.policy import Policy
from domain.transaction import NO_DEVICE, NO_MERCHANT, NOWHERE, Location, Merchant, Transaction
from tests.unit.detectors.town import purchase, traffic


def test_the_flat_forest_scores_as_scikit_learn_does() -> None:
    draw = np.random.default_rng(3)
    X = draw.normal(size=(3000, 10))
    X[:, 4] = np.round(X[:, 4])
    fitted = IsolationForest(n_estimators=100, max_samples=256, random_state=7).fit(X.astype(np.float32))
    flat = Forest.of(fitted)
    unseen = np.vstack((draw.normal(size=(1000, 10)) * 3, X[:300]))
    np.testing.assert_allclose(flat.score(unseen), -fitted.score_samples(unseen.astype(np.float32)), rtol=0, atol=1e-9)


def test_a_stored_forest_scores_the_same(basic: BasicModel) -> None:
    unseen = traffic(600, seed=2)
    assert BasicModel.from_bytes(basic.to_bytes()).score(unseen) == basic.score(unseen)


@pytest.mark.parametrize("size", [1, 2, 7, 513])
def test_a_verdict_is_the_same_to_the_bit_in_any_batch(basic: BasicModel, size: int) -> None:
    rows = traffic(1100, seed=2)
    apart = [verdict for start in range(0, len(rows), size) for verdict in basic.score(rows[start : start + size])]
    assert apart == basic.score(rows)


def test_the_same_history_gives_the_same_model(basic: BasicModel, history: list[Transaction]) -> None:
    assert BasicModel.fit(history, version="v1").to_bytes() == basic.to_bytes()


def test_ordinary_traffic_stays_near_the_nominal_alert_rate(history: list[Transaction]) -> None:
    model = BasicModel.fit(history, version="v1", policy=Policy(alert_rate=0.02))
    flagged = sum(verdict.flagged for verdict in model.score(traffic(8000, seed=5)))
    assert 0.005 < flagged / 8000 < 0.04


def test_an_absurd_purchase_is_flagged_with_its_reasons(basic: BasicModel) -> None:
    odd = purchase(
        amount=Decimal(90_000),
        timestamp=purchase().timestamp.replace(hour=3),
        merchant=Merchant(id="x", category="crypto"),
        location=Location(country="MT"),
    )
    ordinary, verdict = basic.score([purchase(), odd])
    assert verdict.flagged
    assert not ordinary.flagged
    assert {"amount", "category"} <= {reason.feature for reason in verdict.reasons}
    assert all(reason.text for reason in verdict.reasons)


def test_contributions_sum_to_the_score(basic: BasicModel) -> None:
    for verdict in basic.score(traffic(600, seed=6)):
        assert sum(reason.contribution for reason in verdict.reasons) == pytest.approx(verdict.score, abs=1e-9)


def test_a_field_is_one_reason_however_many_columns_it_has(basic: BasicModel) -> None:
    for verdict in basic.score(traffic(600, seed=6)):
        fields = [reason.feature for reason in verdict.reasons]
        assert len(fields) == len(set(fields))


def test_a_missing_field_counts_as_typical(basic: BasicModel) -> None:
    bare = purchase(
        location=NOWHERE, merchant=NO_MERCHANT, device=NO_DEVICE, payment_method=None, transaction_type=None
    )
    assert not basic.score([bare])[0].flagged


def test_before_any_history_it_warms_up_and_flags_nothing() -> None:
    (verdict,) = BasicModel.warming().score([purchase(amount=Decimal(10) ** 15)])
    assert (verdict.status, verdict.flagged, verdict.score) == ("warming", False, 0.0)


def test_no_transactions_give_no_verdicts(basic: BasicModel) -> None:
    assert basic.score([]) == []


def test_importing_the_detectors_does_not_import_scikit_learn() -> None:
    code = "import sys, detectors.basic, detectors.enhanced, detectors.view; print('sklearn' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
