"""Counting verdicts against ground truth."""

import pytest

from domain.quality import MOST_COUNTS, OTHER_KIND, KindRecall, Scoreboard


def test_figures_are_read_off_the_counts() -> None:
    scoreboard = Scoreboard()
    scoreboard.count("enhanced", True, "spike", flagged=3, verdicts=4)
    scoreboard.count("enhanced", True, None, flagged=0)
    scoreboard.count("enhanced", False, None, flagged=1, verdicts=95)
    (quality,) = scoreboard.qualities
    assert (quality.labelled, quality.anomalous, quality.flagged, quality.caught) == (100, 5, 4, 3)
    assert (quality.precision, quality.recall, quality.alert_rate) == (0.75, 0.6, 0.04)
    assert round(quality.f1 or 0, 6) == round(2 * 0.75 * 0.6 / 1.35, 6)
    assert quality.kinds == (KindRecall("spike", 4, 3), KindRecall(OTHER_KIND, 1, 0))


def test_what_nobody_can_know_yet_is_none() -> None:
    scoreboard = Scoreboard()
    assert scoreboard.qualities == ()
    scoreboard.count("basic", False, None, flagged=0)
    (quality,) = scoreboard.qualities
    assert (quality.precision, quality.recall, quality.f1) == (None, None, None)


def test_a_producer_that_invents_kinds_fills_no_memory() -> None:
    scoreboard = Scoreboard()
    for number in range(10_000):
        scoreboard.count("basic", True, f"kind {number}", flagged=1)
    (quality,) = scoreboard.qualities
    assert quality.caught == 10_000
    assert len(quality.kinds) <= MOST_COUNTS + 1


def test_scores_are_told_beside_what_became_of_them() -> None:
    scoreboard = Scoreboard()
    scoreboard.count("enhanced", True, None, flagged=1, score=0.96)
    scoreboard.count("enhanced", False, None, flagged=1, score=0.92)
    scoreboard.count("enhanced", False, None, flagged=0, verdicts=10, score=0.05)
    (quality,) = scoreboard.qualities
    assert quality.estimated == pytest.approx(0.94)
    low, high = quality.bands
    assert (low.low, low.verdicts, low.realised, low.estimated) == (0.0, 10, 0.0, pytest.approx(0.05))
    assert (high.low, high.verdicts, high.realised, high.estimated) == (0.9, 2, 0.5, pytest.approx(0.94))
