"""How unlikely a crowd of transactions is."""

import numpy as np
import pytest

from detectors import layout
from detectors.features import crowd
from detectors.population import DAY

GAP = DAY / 10


@pytest.mark.parametrize("members", [1, 2, 3, 4, 6, 8])
def test_a_burst_is_found_with_all_that_belong_to_it(members: int) -> None:
    """A transaction every quarter of a minute, by a user who buys ten times a day and did two days before."""
    times = [-2.0 * DAY, -2.0 * DAY + GAP, *(15.0 * np.arange(members))]
    numbers = np.zeros(layout.NUMBERS)
    numbers[layout.TIMES : layout.TIMES + len(times)] = times
    assert crowd(numbers, len(times), 15.0 * members, GAP)[1] == members
