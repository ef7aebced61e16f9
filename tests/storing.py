"""A few judged transactions, as they are stored."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain.transaction import GroundTruth, Location, Transaction
from domain.verdict import Severity, Status, Verdict
from services.store.batch import Batch, DeadRecord, Part, Passed, StoredRow, Term, prepare
from services.store.store import Store

NOTHING = Passed()
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def verdict(detector: str, flagged: bool, threshold: float = 0.9, status: Status = "ok") -> Verdict:
    score = 0.95 if flagged else 0.1
    return Verdict(
        detector="enhanced" if detector == "enhanced" else "basic",
        score=score,
        threshold=threshold,
        flagged=flagged,
        severity=Severity.of(score),
        model_version="1",
        status=status,
    )


def stored(
    number: int, user: str, *, basic: bool = False, enhanced: bool = False, truth: GroundTruth | None = None
) -> StoredRow:
    """The transaction of that number, `number` minutes after noon."""
    transaction = Transaction(
        transaction_id=f"t-{number}",
        user_id=user,
        amount=Decimal(10 * number),
        currency="EUR",
        timestamp=AT + timedelta(minutes=number),
        location=Location(country="MT" if number % 2 else "FR"),
    )
    verdicts = (verdict("basic", basic, 0.6), verdict("enhanced", enhanced, 0.7 + number / 1000))
    return StoredRow(number, transaction, verdicts, truth)


async def committed(store: Store, rows: tuple[StoredRow, ...], flagged: dict[str, int]) -> None:
    opening = await store.open_term("c", "transactions", 0, "a")
    term = Term("c", "transactions", 0, opening.epoch)
    profiles = {row.transaction.user_id: f"state of {row.transaction.user_id}".encode() for row in rows}
    expected = opening.next_offset
    await store.commit(prepare(batch_of(term, expected, expected + len(rows), rows, (), profiles, flagged=flagged)))


def batch_of(
    term: Term,
    expected: int,
    following: int,
    rows: Sequence[StoredRow] = (),
    dead: tuple[DeadRecord, ...] = (),
    profiles: Mapping[str, bytes] = {},
    state_version: int = 1,
    model_version: str = "1",
    flagged: Mapping[str, int] = {},
    *,
    new: frozenset[str] = frozenset(),
    passed: Passed = NOTHING,
    simulated: bool = False,
) -> Batch:
    """A batch of one partition."""
    part = Part(term, expected, following, len(rows), dead, profiles, passed)
    return Batch((part,), rows, state_version, model_version, flagged, new, simulated)
