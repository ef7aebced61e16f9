"""Which verdict a row is listed under, and what it is worth there."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from domain.transaction import Transaction
from domain.verdict import DetectorName, Reason, ScoredTransaction, Severity, Status, Verdict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def verdict(detector: DetectorName, score: float, flagged: bool, status: Status = "ok") -> Verdict:
    return Verdict(
        detector=detector,
        score=score,
        threshold=0.5,
        flagged=flagged,
        severity=Severity.of_verdict(score, flagged),
        model_version="1",
        status=status,
        reasons=(Reason("amount", "amount", 0.75 * score), Reason("other", "other", 0.25 * score)),
    )


def row(*verdicts: Verdict) -> ScoredTransaction:
    transaction = Transaction(transaction_id="t", user_id="u", amount=Decimal(1), currency="EUR", timestamp=NOON)
    return ScoredTransaction(sequence=1, transaction=transaction, verdicts=verdicts, stored_at=NOON)


def test_what_both_flag_is_listed_as_the_detector_that_knows_the_user_sees_it() -> None:
    enhanced = verdict("enhanced", 0.8, True)
    assert row(verdict("basic", 0.95, True), enhanced).headline is enhanced


def test_what_only_basic_flags_is_listed_as_such_and_worth_what_the_other_makes_of_it() -> None:
    listed = row(verdict("basic", 0.95, True), verdict("enhanced", 0.2, False)).headline
    assert listed is not None
    assert (listed.detector, listed.flagged, listed.score, listed.severity) == ("basic", True, 0.2, Severity.UNUSUAL)
    assert sum(reason.contribution for reason in listed.reasons) == pytest.approx(0.2)
    assert listed.reasons[0].contribution == pytest.approx(0.15)


def test_a_detector_that_did_not_judge_takes_nothing_away() -> None:
    basic = verdict("basic", 0.95, True)
    assert row(basic, verdict("enhanced", 0.0, False, "error")).headline is basic
    assert row(basic).headline is basic
