"""What other thresholds would have flagged."""

from domain.comparison import Scores, compared


def test_a_cut_flags_what_reaches_it_and_knows_what_is_known_of_that() -> None:
    scores = [
        Scores("enhanced", 0, False, None, 90),
        Scores("enhanced", 1, False, True, 2),
        Scores("enhanced", 1, True, False, 1),
        Scores("enhanced", 2, True, True, 6),
        Scores("enhanced", 2, True, None, 1),
        Scores("basic", 0, False, True, 8),
    ]
    basic, enhanced = compared(scores, (0.5, 0.9), 2.0)
    assert (enhanced.verdicts, enhanced.known, enhanced.anomalous) == (100, 9, 8)
    own, half, most = enhanced.cuts
    assert (own.at, own.alerts, own.precision, enhanced.recall(own)) == (None, 8, 6 / 7, 6 / 8)
    assert (half.at, half.alerts, half.precision, enhanced.recall(half)) == (0.5, 10, 8 / 9, 1.0)
    assert (most.at, most.alerts, most.precision, enhanced.recall(most)) == (0.9, 7, 1.0, 6 / 8)
    assert (enhanced.share(own), enhanced.a_day(own)) == (0.08, 4.0)
    assert [(cut.alerts, cut.precision, basic.recall(cut)) for cut in basic.cuts] == [(0, None, 0.0)] * 3
