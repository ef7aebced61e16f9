"""What alerts are worth: the null, the two-group estimate, and what labels do to it."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.null import Null, fitted, lately
from detectors.state import UserState
from detectors.threshold import weigh
from detectors.worth import LEAST_WORTH, Labels, Worth

ROWS = 20_000
DAY = 86_400.0


def history(anomalous: float, seed: int = 1) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Suspicions of ordinary transactions, exponential, and of anomalies, mostly far beyond; and which are which."""
    draw = np.random.default_rng(seed)
    odd = draw.random(ROWS) < anomalous
    return np.where(odd, draw.normal(9.0, 2.0, ROWS), draw.exponential(1.0, ROWS)), odd


def valued(totals: NDArray[np.float64]) -> tuple[Worth, NDArray[np.float64], Null]:
    null = fitted(totals)
    rarities = np.maximum((totals - null.zero) / null.decade, 0.0)
    return Worth.fit(rarities, null), rarities, null


@pytest.mark.parametrize("anomalous", [0.01, 0.05, 0.1])
def test_alerts_are_wrong_as_often_as_asked(anomalous: float) -> None:
    totals, odd = history(anomalous)
    worth, rarities, _ = valued(totals)
    alerts = rarities >= worth.bar(0.2)
    assert odd[alerts].mean() == pytest.approx(0.8, abs=0.1)
    assert alerts[odd].mean() > 0.8
    assert worth.anomalous == pytest.approx(anomalous, rel=0.3)


def test_without_anomalies_next_to_nothing_is_flagged() -> None:
    worth, rarities, _ = valued(history(0.0)[0])
    assert (rarities >= worth.bar(0.2)).mean() <= 0.002


def test_nine_in_ten_of_those_that_score_nine_tenths_are_anomalous() -> None:
    totals, odd = history(0.05)
    worth, rarities, _ = valued(totals)
    scores = np.array([worth.score(rarity) for rarity in rarities.tolist()])
    for low, high in ((0.5, 0.9), (0.9, 1.0)):
        there = (scores >= low) & (scores < high)
        assert odd[there].mean() == pytest.approx(scores[there].mean(), abs=0.15)


def test_the_null_is_ordinary_traffics() -> None:
    totals, odd = history(0.1)
    _, rarities, null = valued(totals)
    for rarity in (1.0, 1.5):
        assert null.share(rarity) == pytest.approx((rarities[~odd] >= rarity).mean(), rel=0.6)


def test_scores_keep_the_order_of_rarities() -> None:
    worth, _, _ = valued(history(0.05)[0])
    scores = [worth.score(rarity) for rarity in np.linspace(0.0, 300.0, 10_001).tolist()]
    assert all(low < high for low, high in pairwise(scores))
    assert scores[0] == 0.0
    assert scores[-1] < 1.0


def test_what_is_worth_little_is_no_alert_even_where_there_is_room_for_it() -> None:
    draw = np.random.default_rng(4)
    apart = np.concatenate((draw.exponential(1.0, ROWS), draw.normal(30.0, 2.0, ROWS // 20)))
    worth, rarities, _ = valued(apart)
    assert worth.score(worth.bar(0.2)) >= LEAST_WORTH
    assert (rarities >= worth.bar(0.2)).sum() <= 1.1 * ROWS / 20


def test_no_more_of_ordinary_traffic_is_flagged_than_is_stated() -> None:
    totals, _ = history(0.05)
    worth, rarities, null = valued(totals)
    bar = worth.bar(0.2)
    later, anomalous = history(0.05, seed=2)
    alerts = (later - null.zero) / null.decade >= bar
    assert alerts[~anomalous].mean() <= worth.at_most(bar) <= (rarities >= bar - 0.05).mean() + 1e-3


@pytest.mark.parametrize(("before", "after"), [(0.1, 0.01), (0.01, 0.1)])
def test_how_many_anomalies_there_are_is_read_off_what_is_alike_lately(before: float, after: float) -> None:
    draw = np.random.default_rng(5)
    rows = np.concatenate((np.full(20_000, before), np.full(10_000, after)))
    totals = draw.exponential(1.0, rows.size) + 12.0 * (draw.random(rows.size) < rows)
    assert lately(totals) == 10_000
    assert lately(totals[:20_000]) == 20_000
    assert lately(totals[:3_000]) == 3_000


def test_a_rate_is_the_share_of_ordinary_traffic_it_flags() -> None:
    worth, _, null = valued(history(0.02)[0])
    for rate in (0.05, 0.005, 1e-6):
        assert null.share(worth.rarity_of_rate(rate)) == pytest.approx(rate, rel=0.25)
    with pytest.raises(ValueError, match="between 0 and 1"):
        worth.rarity_of_rate(0.0)


def test_rejected_alerts_lower_the_estimate_and_confirmed_ones_raise_it() -> None:
    worth, _, _ = valued(history(0.05)[0])
    rarity = worth.bar_of(0.8)
    # With as many labels as the estimate is worth, both weigh the same; neighbouring bands are told alike.
    rejected = worth.corrected((Labels(), Labels(0, 20), Labels(0, 20), Labels(0, 20)))
    confirmed = worth.corrected((Labels(), Labels(20, 0), Labels(20, 0), Labels(20, 0)))
    assert rejected.score(rarity) == pytest.approx(0.4, abs=0.1)
    assert confirmed.score(rarity) == pytest.approx(0.9, abs=0.05)
    assert worth.corrected(()) is worth


def test_a_burst_does_not_raise_its_own_bar() -> None:
    state = UserState()
    for second in range(40):
        weigh(state.numbers, DAY + second, 2.0, 9.0)
    assert state.bar == 0.0


def test_habits_that_moved_raise_the_bar_within_days() -> None:
    state = UserState()
    flagged = 0
    for number in range(60):
        flagged += 2.0 + state.bar <= 5.0
        weigh(state.numbers, DAY * (1 + number / 3), 2.0, 5.0)
    assert flagged < 30


def test_a_single_attack_leaves_no_raised_bar_behind() -> None:
    state = UserState()
    weigh(state.numbers, DAY, 2.0, 9.0)
    for hour in range(1, 40):
        weigh(state.numbers, DAY + 3600.0 * hour, 2.0, 0.5)
    weigh(state.numbers, 4 * DAY, 2.0, 9.0)
    assert state.bar == 0.0
