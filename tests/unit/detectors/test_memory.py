"""How long suspicion lasts is learnt from when it returns."""

import numpy as np
import pytest

from detectors.memory import FLOOR, Past, Persistence, decayed, fed
from detectors.population import DAY, HOUR

USERS, DAYS = 400, 60


def _history(series_days: float, share: float) -> tuple[Past, np.ndarray]:
    """Users who buy twice a day; in a series, one in each fifth user's history, so large a `share` is suspicious."""
    draw = np.random.default_rng(3)
    times = np.sort(draw.uniform(0.0, DAYS * DAY, (USERS, 2 * DAYS)), axis=1)
    bases = draw.exponential(1.0 / np.log(10.0), times.shape)
    begins = draw.uniform(0.0, (DAYS - series_days) * DAY, (USERS, 1))
    within = (times >= begins) & (times < begins + series_days * DAY)
    within[::5] &= draw.random(within[::5].shape) < share
    within[np.arange(USERS) % 5 != 0] = False
    bases[within] = 3.0 + draw.exponential(1.0, int(within.sum()))
    users = np.broadcast_to(np.arange(USERS)[:, None], times.shape)
    order = np.argsort(times, axis=None)
    return Past(users.ravel()[order], times.ravel()[order], np.full(times.size, DAY / 2)), bases.ravel()[order]


def _learnt(past: Past, bases: np.ndarray) -> Persistence:
    persistence, _ = Persistence.fit(past, bases, np.ones(bases.size, bool))
    return persistence


def test_suspicion_is_held_for_as_long_as_it_returns() -> None:
    weeks = _learnt(*_history(14.0, 0.3))
    hours = _learnt(*_history(0.7, 1.0))
    assert weeks.half_life > 1.0
    assert max(weeks.lift) > 1.0
    assert hours.half_life < weeks.half_life


def test_a_history_in_which_nothing_returns_has_the_usual_half_life_and_next_to_no_lift() -> None:
    past, bases = _history(0.0, 0.0)
    singles = np.random.default_rng(4).random(bases.size) < 0.003
    bases[singles] += 4.0
    learnt = _learnt(past, bases)
    assert learnt.half_life == 1.0
    assert max(learnt.lift) < 0.5


@pytest.mark.parametrize("half_life", [0.5, 4.0])
def test_memory_is_halved_in_a_half_life(half_life: float) -> None:
    assert decayed(2.0, half_life * DAY, DAY / 2, half_life) == pytest.approx(1.0)
    assert decayed(2.0, half_life * 16.0 * 0.01 * HOUR, 0.01 * HOUR, half_life) == pytest.approx(1.0)
    assert decayed(2.0, -HOUR, DAY / 2, half_life) == 2.0


def test_ordinary_transactions_make_a_user_less_suspect_and_odd_ones_more() -> None:
    suspect = fed(0.0, 5.0)
    assert suspect > 3.0
    assert fed(suspect, FLOOR + 1.0) == suspect + 1.0
    assert fed(suspect, 0.0) == fed(suspect, FLOOR) < suspect
    for _ in range(20):
        suspect = fed(suspect, 0.4)
    assert suspect < 0.1
