"""How often a process dies of one record until it is known which."""

from math import log2

import pytest

from services.pipeline.narrowing import Narrowing
from services.store.store import Opening

BATCH = 64


def deaths_of(victim: int, records: int, batch: int = BATCH) -> int:
    """Deaths until the record at offset `victim` is buried, with a store that keeps marks as ours does."""
    at = restores = attempts = size = deaths = 0
    while True:
        narrowing = Narrowing(batch)
        narrowing.begin(Opening(at, 1, restores, size, attempts, "", 1))
        while True:
            if narrowing.poisoned:
                assert at == victim
                return deaths
            taken = min(narrowing.limit, records - at)
            if narrowing.careful:
                attempts, size = attempts + 1, taken
            if at <= victim < at + taken:
                break
            assert at + taken < records, "the victim was passed"
            at, restores, attempts, size = at + taken, -1, 0, 0
            narrowing.passed(taken)
        deaths += 1
        restores += 1


@pytest.mark.parametrize("records", [1, 5, BATCH, 10 * BATCH])
def test_a_deadly_record_is_alone_within_three_restarts_and_one_for_each_halving(records: int) -> None:
    # Alone it is tried twice: once may have been something else.
    assert max(deaths_of(victim, records) for victim in range(records)) <= 3 + log2(BATCH) + 1
