"""From values to rarities."""

import numpy as np
import pytest

from detectors.calibration import Calibration, Scale, rarity


def rarity_of(calibration: Calibration, value: float) -> float:
    return rarity(value, Scale.of([calibration]), 0)


def test_rarities_are_tail_probabilities() -> None:
    calibration = Calibration.fit(np.random.default_rng(1).exponential(size=200_000), 0.1)
    for value in (1.0, 2.0, 4.0, 8.0, 12.0):
        assert rarity_of(calibration, value) == pytest.approx(value / np.log(10), abs=0.15)


def test_a_feature_that_never_varied_is_neutral_until_it_does() -> None:
    calibration = Calibration.fit(np.zeros(1000), 0.5)
    assert rarity_of(calibration, 0.0) == 0.0
    assert 0.0 < rarity_of(calibration, 1.0) < 1.0


def test_missing_values_do_not_calibrate() -> None:
    values = np.random.default_rng(2).normal(size=1000)
    with_missing = np.concatenate((values, np.full(500, -np.inf)))
    assert Calibration.fit(with_missing, 0.3) == Calibration.fit(values, 0.3)


def test_larger_values_are_never_less_rare() -> None:
    calibration = Calibration.fit(np.round(np.random.default_rng(3).gamma(1.5, size=5000), 1), 0.3)
    rarities = calibration.rarities(np.linspace(-1, 100, 5000)).tolist()
    assert rarities == sorted(rarities)


def test_a_single_value_has_the_rarity_that_it_has_among_others() -> None:
    draw = np.random.default_rng(4)
    tables = [Calibration.fit(draw.gamma(2.0, size=3000), 0.3), Calibration.fit(draw.normal(size=3000), 0.3, bulk=0.5)]
    edges = [edge for table in tables for edge in (table.lower, table.upper, np.nextafter(table.upper, 0.0))]
    values = np.array([-np.inf, -9.0, 1e6, *edges, *draw.normal(2.0, 3.0, size=2000)])
    for number, table in enumerate(tables):
        alone = [rarity(value, Scale.of(tables), number) for value in values.tolist()]
        assert alone == pytest.approx(table.rarities(values).tolist(), rel=1e-12)
