"""Records of several partitions that are scored together are what they would be alone."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import msgspec
import pytest

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from services.models import schedule
from services.pipeline.failures import NotTogether
from services.pipeline.profile_cache import ProfileCache
from services.pipeline.scorer import Answered, Outcome, Scorer
from services.pipeline.scoring import Move, Seat
from services.records import wire
from services.store.batch import Term
from tests.consuming import simulated

PARTITIONS = 3
ROWS = [transaction for transaction, _ in simulated(240, users=12)]
Taken = dict[Seat, list[Any]]


@pytest.fixture(scope="module")
def models() -> Models:
    return schedule.fit([transaction for transaction, _ in simulated(1_500, seed=9)], 1_500, "both", USUAL_POLICY)


def record(offset: int, value: bytes, user: str = "") -> Any:
    headers = [(wire.CLOCK_HEADER, wire.CLOCK_REPLAY)]
    return SimpleNamespace(offset=offset, timestamp=0, key=user.encode(), value=value, headers=headers)


def taken(rows: Any) -> Taken:
    """By partition of their users, after one record that is none."""
    by_seat: Taken = defaultdict(lambda: [record(0, b"{")])
    for row in rows:
        records = by_seat[Seat(crc32(row.user_id.encode()) % PARTITIONS, 1)]
        records.append(record(len(records), wire.encode(row), row.user_id))
    return dict(by_seat)


def scored(scorer: Scorer, batch: Taken, models: Models) -> Outcome:
    looked = scorer.decode(batch, keys=False)
    assert looked.misplaced is None
    moves = [
        Move(Term("c", "t", seat.partition, seat.epoch), records[0].offset, records[-1].offset + 1)
        for seat, records in batch.items()
    ]
    outcome = scorer.score(Answered(moves, {}, {}), models)
    scorer.stored([*batch])
    return outcome


def flattened(*outcomes: Outcome) -> Any:
    """By partition what its batch makes of it, and the rows of all."""
    parts, rows = {}, []
    for outcome in outcomes:
        batch = outcome.scored.prepared.batch
        parts |= {part.term.partition: part for part in batch.parts}
        rows += batch.rows
    return parts, rows


def test_partitions_that_are_scored_together_are_as_each_alone(models: Models) -> None:
    together, alone = Scorer(None, ProfileCache(1 << 20)), Scorer(None, ProfileCache(1 << 20))
    for some in (ROWS[:120], ROWS[120:]):
        batch = taken(some)
        assert len(batch) == PARTITIONS
        parts, rows = flattened(scored(together, batch, models))
        apart, own = flattened(*(scored(alone, {seat: records}, models) for seat, records in batch.items()))
        assert parts == apart
        assert rows == own
        assert [len(part.dead) for part in parts.values()] == [1] * PARTITIONS
        assert sum(len(part.profiles) for part in parts.values()) == len({row.user_id for row in some})


def test_a_transaction_that_came_in_two_partitions_counts_once_and_in_its_own(models: Models) -> None:
    one = ROWS[0]
    another = msgspec.structs.replace(one, user_id="another")
    batch = {
        Seat(0, 1): [record(0, wire.encode(one), one.user_id)],
        Seat(1, 1): [record(0, wire.encode(another), "another")],
    }
    parts, rows = flattened(scored(Scorer(None, ProfileCache(1 << 20)), batch, models))
    assert [row.transaction for row in rows] == [one]
    assert (parts[0].stored, parts[1].stored) == (1, 0)
    assert "used before by another transaction" in parts[1].dead[0].reason
    assert (dict(parts[1].profiles), parts[1].account.offsets) == ({}, 1)


def test_a_user_in_several_partitions_is_not_scored_as_one() -> None:
    batch = {Seat(number, 1): [record(0, wire.encode(ROWS[number]), "u")] for number in (0, 1)}
    for records in batch.values():
        records[0].value = wire.encode(msgspec.structs.replace(ROWS[0], transaction_id=f"t-{id(records)}"))
    with pytest.raises(NotTogether, match="a user has records in several partitions"):
        Scorer(None, ProfileCache(1 << 20)).decode(batch, keys=False)


def test_a_partition_that_is_forgotten_takes_its_part_of_a_batch_away(models: Models) -> None:
    scorer = Scorer(None, ProfileCache(1 << 20))
    batch = taken(ROWS)
    first, *others = batch
    scorer.decode(batch, keys=False)
    scorer.forget(first)
    moves = [Move(Term("c", "t", seat.partition, seat.epoch), 0, len(records)) for seat, records in batch.items()]
    with pytest.raises(KeyError):
        scorer.score(Answered(moves, {}, {}), models)
    # The others are decoded again, each alone, and what was lent to the first attempt is still as it was committed.
    for seat in others:
        outcome = scored(scorer, {seat: batch[seat]}, models)
        assert len(outcome.scored.prepared.batch.rows) == len(batch[seat]) - 1
    scorer.stored([first])
