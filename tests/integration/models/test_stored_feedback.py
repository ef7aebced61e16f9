"""What analysts decided, from PostgreSQL to what scoring makes of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from detectors.feedback import Feedback
from detectors.inputs import inputs_of
from detectors.reasons import adjusted
from detectors.worth import Labels
from domain.transaction import Merchant, Transaction
from domain.triage import TriageStatus
from domain.verdict import Reason, Severity, Verdict
from services.models.feedback import stored_feedback, stored_labels
from services.store.batch import StoredRow, Term, prepare
from services.store.store import Store
from tests.storing import batch_of

TODAY = datetime(2026, 3, 20, 12, tzinfo=UTC)
LONG = "a merchant whose name is longer than what detectors keep of any name"


def bought(number: int, merchant: str, days_ago: float) -> StoredRow:
    verdict = Verdict(
        detector="enhanced",
        score=0.92,
        threshold=0.7,
        flagged=True,
        severity=Severity.CRITICAL,
        model_version="1",
        reasons=(Reason("country", "location", 0.6), Reason("hour", "time", 0.32)),
    )
    transaction = Transaction(
        transaction_id=f"t-{number}",
        user_id="u-1",
        amount=Decimal(10),
        currency="EUR",
        timestamp=TODAY - timedelta(days=days_ago),
        merchant=Merchant(name=merchant),
    )
    return StoredRow(number, transaction, (verdict,), None)


@pytest.fixture
async def filled(store: Store) -> Store:
    """Today's purchase, and from ten days ago four at a bad merchant among forty others."""
    opening = await store.open_term("c", "transactions", 0, "a")
    rows = (
        bought(0, "shop", 0.0),
        *(bought(number, LONG, 10.0) for number in range(1, 5)),
        *(bought(number, "shop", 10.0) for number in range(5, 45)),
    )
    term = Term("c", "transactions", 0, opening.epoch)
    await store.commit(prepare(batch_of(term, 0, len(rows), rows)))
    return store


async def test_nothing_decided_is_no_feedback(filled: Store) -> None:
    assert await stored_feedback(filled, {"u-9": 0.02}, datetime.now(UTC)) == Feedback(alert_rates={"u-9": 0.02})


async def test_confirmed_frauds_of_last_week_but_one_raise_their_merchant(filled: Store) -> None:
    await filled.triage.decide(["t-1", "t-2", "t-0"], TriageStatus.CONFIRMED, None, None, "ann")
    feedback = await stored_feedback(filled, {}, datetime.now(UTC))
    # As rows name it, or no row would ever find it.
    (merchant,) = {row.merchant for row in inputs_of([bought(1, LONG, 0.0).transaction])}
    assert set(feedback.lifts) == {merchant}
    assert feedback.lifts[merchant] > 0.5
    assert (feedback.seen[merchant], feedback.confirmed[merchant]) == (4, 2)


async def test_a_false_positive_is_tolerated_until_it_expires(filled: Store) -> None:
    now = datetime.now(UTC)
    await filled.triage.decide(["t-1"], TriageStatus.FALSE_POSITIVE, now + timedelta(days=30), None, "ann")
    await filled.triage.decide(["t-2"], TriageStatus.FALSE_POSITIVE, now - timedelta(seconds=1), None, "ann")
    (tolerance,) = (await stored_feedback(filled, {}, datetime.now(UTC))).tolerated["u-1"]
    assert tolerance.transaction_id == "t-1"
    assert tolerance.until == pytest.approx((now + timedelta(days=30)).timestamp())
    assert tolerance.factor == "location"
    assert tolerance.features == pytest.approx({"country": 0.6 / 0.92, "hour": 0.32 / 0.92})


async def test_decisions_are_counted_by_band_of_the_estimate(filled: Store) -> None:
    now = datetime.now(UTC)
    await filled.triage.decide(["t-1", "t-2"], TriageStatus.CONFIRMED, None, None, "ann")
    await filled.triage.decide(["t-3"], TriageStatus.FALSE_POSITIVE, now - timedelta(days=1), None, "ann")
    await filled.triage.decide(["t-4"], TriageStatus.ACKNOWLEDGED, None, None, "ann")
    feedback = await stored_feedback(filled, {}, now)
    assert feedback.labels == (Labels(), Labels(), Labels(), Labels(2, 1))


async def test_a_corrected_alert_counts_where_its_estimate_was(store: Store) -> None:
    opening = await store.open_term("c", "transactions", 0, "a")
    usual = bought(0, "shop", 1.0)
    (verdict,) = usual.verdicts
    verdict = msgspec.structs.replace(verdict, reasons=(*verdict.reasons, *adjusted(0.75, 0.92, (Labels(),) * 4)))
    term = Term("c", "transactions", 0, opening.epoch)
    row = usual._replace(verdicts=(verdict,))
    await store.commit(prepare(batch_of(term, 0, 1, (row,))))
    await store.triage.decide(["t-0"], TriageStatus.CONFIRMED, None, None, "ann")
    assert await stored_labels(store) == (Labels(), Labels(), Labels(1, 0), Labels())
