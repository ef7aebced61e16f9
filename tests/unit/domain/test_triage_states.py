from datetime import UTC, datetime, timedelta

import pytest

from domain.triage import Triage, TriageStatus, is_open

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def triage(status: TriageStatus, until: datetime | None = None) -> Triage:
    return Triage(transaction_id="t-1", status=status, until=until, decided_by="ann", decided_at=NOW)


def test_nobody_has_looked_at_what_has_no_decision() -> None:
    assert is_open(None, NOW)
    assert is_open(triage(TriageStatus.OPEN), NOW)


@pytest.mark.parametrize("status", [TriageStatus.ACKNOWLEDGED, TriageStatus.CONFIRMED, TriageStatus.FALSE_POSITIVE])
def test_a_decision_holds_also_after_its_leniency_is_over(status: TriageStatus) -> None:
    assert not is_open(triage(status), NOW)
    assert not is_open(triage(status, NOW - timedelta(days=1)), NOW)


def test_a_snooze_holds_until_its_end() -> None:
    asleep = triage(TriageStatus.SNOOZED, NOW)
    assert asleep.effective(NOW - timedelta(microseconds=1)) is TriageStatus.SNOOZED
    assert asleep.effective(NOW) is TriageStatus.OPEN
    assert is_open(triage(TriageStatus.SNOOZED), NOW)
