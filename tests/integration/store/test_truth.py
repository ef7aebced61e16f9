"""Verdicts against ground truth, or else against decisions."""

from domain.transaction import GroundTruth
from domain.triage import TriageStatus
from services.store.store import Store
from services.store.truth import Judged
from tests.storing import AT, committed, stored

ANOMALOUS, ORDINARY = GroundTruth(True, "amount_spike"), GroundTruth(False)
ROWS = (
    stored(1, "u-1", enhanced=True, truth=ANOMALOUS),
    stored(2, "u-1", basic=True, enhanced=True, truth=ORDINARY),
    stored(3, "u-1", truth=ANOMALOUS),
    stored(4, "u-1", enhanced=True),
    stored(5, "u-1", enhanced=True),
    stored(6, "u-1", enhanced=True),
)


async def filled(store: Store) -> Store:
    """Ground truth on three; the fourth is confirmed, the fifth a false positive, the sixth only acknowledged."""
    await committed(store, ROWS, {})
    for number, status in (
        (4, TriageStatus.CONFIRMED),
        (5, TriageStatus.FALSE_POSITIVE),
        (6, TriageStatus.ACKNOWLEDGED),
    ):
        await store.triage.decide([f"t-{number}"], status, None, None, "ann")
    return store


async def test_ground_truth_counts_and_decisions_where_there_is_none(store: Store) -> None:
    await filled(store)
    judged = await store.truth.by_model()
    assert judged["enhanced", "1"] == Judged(verdicts=6, flagged=5, anomalous=3, alerts=4, caught=2)
    assert judged["basic", "1"] == Judged(verdicts=6, flagged=1, anomalous=3, alerts=1, caught=0)
    told = [(transaction.transaction_id, truth) async for transaction, truth in store.truth.history()]
    assert told == [
        ("t-1", ANOMALOUS),
        ("t-2", ORDINARY),
        ("t-3", ANOMALOUS),
        ("t-4", GroundTruth(True)),
        ("t-5", ORDINARY),
        ("t-6", None),
    ]


async def test_cuts_begin_at_their_score_and_can_be_of_a_part(store: Store) -> None:
    await filled(store)
    _, enhanced = await store.truth.compared(None, (0.99, 0.95, 0.05))
    assert [(cut.at, cut.alerts, cut.known, cut.caught) for cut in enhanced.cuts] == [
        (None, 5, 4, 2),
        (0.05, 6, 5, 3),
        (0.95, 5, 4, 2),
        (0.99, 0, 0, 0),
    ]
    _, later = await store.truth.compared(AT.replace(minute=5), (0.5,))
    assert (later.verdicts, later.anomalous) == (2, 0)
    assert await store.truth.compared(AT.replace(year=2030), (0.5,)) == ()
