"""Rings hold batches as they were committed and make rows of them when they are read."""

from datetime import UTC, datetime
from decimal import Decimal

from msgspec.structs import replace

from domain.transaction import Transaction
from domain.triage import Triage, TriageStatus
from domain.verdict import Severity, Verdict
from services.console.rings import Published, Ring
from services.store.batch import StoredRow

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
NORMAL = Verdict(
    detector="enhanced",
    score=0.1,
    threshold=0.9,
    flagged=False,
    severity=Severity.NORMAL,
    model_version="1",
    status="warming",
)


def batch(first: int, count: int) -> Published:
    rows = [
        StoredRow(
            number,
            Transaction(transaction_id=str(number), user_id="a", amount=Decimal(number), currency="EUR", timestamp=NOW),
            (NORMAL,),
            None,
        )
        for number in range(first, first + count)
    ]
    return Published(rows, first, NOW)


def sequences(ring: Ring, count: int) -> list[int]:
    return [row.sequence for row in ring.newest(count)]


def test_the_newest_rows_are_of_several_batches() -> None:
    ring = Ring(100)
    ring.extend(batch(1, 3))
    ring.extend(batch(4, 2))
    assert sequences(ring, 4) == [2, 3, 4, 5]
    assert [row.transaction.transaction_id for row in ring.newest(2)] == ["4", "5"]
    assert sequences(ring, 100) == [1, 2, 3, 4, 5]


def test_no_more_rows_than_the_size_are_given_wherever_batches_end() -> None:
    ring = Ring(5)
    for first in range(1, 40, 3):
        ring.extend(batch(first, 3))
        last = first + 2
        assert sequences(ring, 100) == list(range(max(1, last - 4), last + 1))
    ring.extend(batch(40, 12))
    assert sequences(ring, 100) == [47, 48, 49, 50, 51]


def test_what_is_above_a_sequence_is_counted_where_it_is_not_given() -> None:
    ring = Ring(100)
    ring.extend(batch(1, 3))
    ring.extend(batch(4, 4))
    found = ring.since(2, 3)
    assert [row.sequence for row in found.rows] == [5, 6, 7]
    assert (found.missed, found.upto) == (2, 7)
    assert ring.since(7, 3).rows == ()


def test_decisions_reach_rows_that_were_read_and_rows_that_were_not() -> None:
    ring = Ring(100)
    ring.extend(batch(1, 3))
    ring.newest(3)
    ring.extend(batch(4, 3))
    decided = Triage(transaction_id="", status=TriageStatus.CONFIRMED, decided_by="ann", decided_at=NOW)
    ring.triaged({"2": decided, "5": decided})
    assert [row.sequence for row in ring.newest(100) if row.triage == decided] == [2, 5]
    ring.triaged({"2": None})
    assert [row.sequence for row in ring.newest(100) if row.triage == decided] == [5]


def test_verdicts_given_afterwards_take_the_place_of_the_same_detectors() -> None:
    ring = Ring(100)
    ring.extend(batch(1, 3))
    later = replace(NORMAL, status="backfilled")
    ring.judged({"3": {"enhanced": later, "basic": later}})
    assert [row.verdicts for row in ring.newest(100)] == [(NORMAL,), (NORMAL,), (later,)]
