"""Counting verdicts against ground truth."""

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
