"""From values to rarities, and from rarities to the public score."""

from itertools import pairwise

import numpy as np
import pytest

from detectors.calibration import Calibration, Squares
from detectors.scale import CRITICAL, SUSPICIOUS, UNUSUAL, public_score, rarity_of_rate
from domain.verdict import Severity


def test_rarities_are_tail_probabilities() -> None:
    calibration = Calibration.fit(np.random.default_rng(1).exponential(size=200_000), 0.1)
    for value in (1.0, 2.0, 4.0, 8.0, 12.0):
        assert calibration.rarity(value) == pytest.approx(value / np.log(10), abs=0.15)


def test_a_feature_that_never_varied_is_neutral_until_it_does() -> None:
    calibration = Calibration.fit(np.zeros(1000), 0.5)
    assert calibration.rarity(0.0) == 0.0
    assert 0.0 < calibration.rarity(1.0) < 1.0


def test_missing_values_do_not_calibrate() -> None:
    values = np.random.default_rng(2).normal(size=1000)
    with_missing = np.concatenate((values, np.full(500, -np.inf)))
    assert Calibration.fit(with_missing, 0.3) == Calibration.fit(values, 0.3)


def test_larger_values_are_never_less_rare() -> None:
    calibration = Calibration.fit(np.round(np.random.default_rng(3).gamma(1.5, size=5000), 1), 0.3)
    rarities = [calibration.rarity(value) for value in np.linspace(-1, 100, 5000).tolist()]
    assert rarities == sorted(rarities)


def test_squares_are_weighted_squared_rarities() -> None:
    draw = np.random.default_rng(4)
    tables = [Calibration.fit(draw.gamma(2.0, size=3000), 0.3), Calibration.fit(draw.normal(size=3000), 0.3, bulk=0.5)]
    squares = Squares(tables, [3.0, 0.25])
    edges = [edge for table in tables for edge in (table.lower, table.upper, np.nextafter(table.upper, 0.0))]
    for value in [-np.inf, -9.0, 1e6, *edges, *draw.normal(2.0, 3.0, size=2000).tolist()]:
        wanted = [3.0 * tables[0].rarity(value) ** 2, 0.25 * tables[1].rarity(value) ** 2]
        assert squares.of([value, value]) == pytest.approx(wanted, rel=1e-12)


def test_bands_are_tail_probabilities() -> None:
    assert Severity.of(public_score(UNUSUAL)) is Severity.UNUSUAL
    assert Severity.of(public_score(SUSPICIOUS)) is Severity.SUSPICIOUS
    assert Severity.of(public_score(CRITICAL)) is Severity.CRITICAL
    assert rarity_of_rate(0.005) == SUSPICIOUS


def test_the_public_score_keeps_the_order_and_stays_in_the_unit_interval() -> None:
    scores = [public_score(rarity) for rarity in np.linspace(0, 400, 20_001).tolist()]
    assert all(earlier < later for earlier, later in pairwise(scores))
    assert scores[0] == 0.0
    assert public_score(1e30) <= 1.0


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 2.0])
def test_an_alert_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        rarity_of_rate(rate)
