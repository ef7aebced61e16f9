"""Counts of the bus: latencies by bucket, verdicts against ground truth."""

from math import inf
from random import Random

import numpy as np
import pytest

from detectors.verdicts import Verdicts
from domain.quality import Scoreboard
from domain.transaction import GroundTruth
from domain.verdict import Severity, Status, Verdict
from services.console.bus import Bus, Histogram
from services.store.batch import Given, StoredRows
from tests.consuming import simulated

KINDS = ("new_device", "amount_spike", None)


def test_values_are_counted_in_the_first_bucket_whose_end_they_do_not_exceed() -> None:
    found = Histogram((1.0, 2.0, 5.0))
    found.add([0.5, 1.0, 1.5, 7.0, 8.0])
    found.add([])
    found.add([2.0])
    assert found.cumulative == ((1.0, 2), (2.0, 4), (5.0, 4), (inf, 6))
    assert found.sum == 20.0


def judged(dice: Random, status: Status) -> Verdict:
    score = dice.choice([0.0, 0.1, 0.2999999999, 0.3, 0.7, 1.0, dice.random()])
    flagged = status == "ok" and score > 0.5
    return Verdict(
        detector="basic",
        score=score,
        threshold=0.5,
        flagged=flagged,
        severity=Severity.of_verdict(score, flagged),
        model_version="1",
        status=status,
    )


def test_a_batch_counts_as_its_verdicts_one_by_one_without_those_given_while_warming_up() -> None:
    dice = Random(4)
    transactions = [transaction for transaction, _ in simulated(400)]
    truths = [dice.choice([None, GroundTruth(False), GroundTruth(True, kind=dice.choice(KINDS))]) for _ in transactions]
    verdicts = [judged(dice, "warming" if dice.random() < 0.1 else "ok") for _ in transactions]
    given = Given(np.arange(len(verdicts)), Verdicts.of("basic", "1", verdicts))
    bus, expected = Bus(), Scoreboard()
    bus.publish(StoredRows([*range(len(verdicts))], transactions, truths, {"basic": given}), [0.1] * len(verdicts))
    for truth, verdict in zip(truths, verdicts, strict=True):
        if truth is not None and verdict.status != "warming":
            expected.count("basic", truth.anomalous, truth.kind, flagged=int(verdict.flagged), score=verdict.score)
    (of_batch,), (one_by_one,) = bus.scoreboard.qualities, expected.qualities
    assert of_batch.kinds == one_by_one.kinds
    assert [(band.low, band.verdicts, band.anomalous) for band in of_batch.bands] == [
        (band.low, band.verdicts, band.anomalous) for band in one_by_one.bands
    ]
    assert [band.estimated for band in of_batch.bands] == pytest.approx([b.estimated for b in one_by_one.bands])
    assert of_batch.precision == one_by_one.precision
