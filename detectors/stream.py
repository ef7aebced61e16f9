"""A stream of transactions through the states of its users: each is measured, judged and then learnt.

The one way on which states move, for live scoring as for a fit, a rebuilt profile or a question what would have been.
"""

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import layout
from detectors.calibration import Scale, rarity
from detectors.compiled import compiled
from detectors.features import FEATURES, Expectation, expectation, measure
from detectors.inputs import InputColumns
from detectors.layout import Counts, Numbers
from detectors.learning import learn
from detectors.memory import decayed, fed, lift_after, raised
from detectors.population import Population, Usual
from detectors.rows import Rows, rows_of
from detectors.state import States, UserState
from detectors.threshold import moved, weigh

WEIGHTS = np.array([feature.weight for feature in FEATURES])
MEMORY_SHARE = len(FEATURES)
SHARES = MEMORY_SHARE + 2
"""One share for each feature, one for the user's recent suspicion and one for the merchant's risk, 0 here."""


CLOSE = 1e-9
"""Rarities so close to a bar may be worth the same score."""


class Judge(NamedTuple):
    """What of a model judges transactions, as compiled functions read it.

    `scale` has the calibrations of the features and, last, of their norm. Rarities begin at `zero`, and `decade` is one
    of them. `returning` is the `returning_rate` of the model. `knots` and `half_life` are those of its
    persistence.
    """

    scale: Scale
    knots: Numbers
    half_life: float
    zero: float
    decade: float
    returning: float


class Bars(NamedTuple):
    """For each transaction the bar before the user's own habits move it, in units of rarity; the alert rate it stands
    for, NaN where alerts are valued; and the rarity from which the user's state before it is kept. Shape (n,) each."""

    common: Numbers
    rate: Numbers
    kept_from: Numbers


class Found(NamedTuple):
    """What was found of each transaction, n rows in their order.

    `rows` are the transactions; `values` are those of `FEATURES`; `shares`, (n, `SHARES`), what makes up the score;
    `own` is the rarity of the transaction alone, `total` with the user's earlier suspicion, `rarity` how rare that is
    in ordinary traffic; `bar` is the rarity from which it would be flagged without feedback; `seen` is how many of the
    user's transactions came before. `expected` has one `Expectation` a row. `kept` is the place in `states` of the
    user's numbers and counts before it, -1 where they were not kept; `new` has a bit for each name that is new in the
    state.
    """

    rows: Rows
    values: Numbers
    shares: Numbers
    own: Numbers
    total: Numbers
    rarity: Numbers
    bar: Numbers
    seen: Counts
    expected: Numbers
    kept: Counts
    new: Counts
    states: tuple[Numbers, Counts]

    def expectation(self, number: int) -> Expectation:
        """What the user was expected to do, before a transaction."""
        amount, amount_sd, log_amount, log_amount_sd, category, category_sd, gap, known = self.expected[number].tolist()
        return Expectation(amount, amount_sd, log_amount, log_amount_sd, category, category_sd, gap, int(known))

    def state(self, number: int, names: dict[int, str | None]) -> UserState:
        """The user's state before a transaction of which it was kept; `names` are those of it after all of them."""
        numbers, counts = self.states
        kept = self.kept[number]
        return UserState.of_rows(numbers[kept], counts[kept], names)


def passed(
    inputs: InputColumns,
    states: States,
    population: Population,
    usual: Usual,
    judge: Judge,
    bars: Bars | None,
    suspicious: NDArray[np.bool_] | None = None,
) -> Found:
    """Pass transactions through the states of their users (`inputs.of.user.distinct`), which are changed in place.

    Without `bars` nothing is judged: those that are `suspicious`, shape (n,), are learnt as such.
    """
    rows = rows_of(inputs, population)
    slots = inputs.of.user.places
    n = len(inputs)
    found = Found(
        rows,
        np.empty((n, len(FEATURES))),
        np.zeros((n, SHARES)),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.empty(n, np.int64),
        np.empty((n, len(Expectation._fields))),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        # Most of this is never touched, and costs nothing then.
        (np.empty((n, layout.NUMBERS)), np.empty((n, layout.COUNTS), np.int64)),
    )
    given = np.zeros(n, np.bool_) if suspicious is None else suspicious
    _pass(slots, states.numbers, states.counts, usual, judge, bars or _NO_BARS, given, found)
    states.meet(slots, inputs.of.names, rows.keys, found.new)
    return found


_NO_BARS = Bars(np.zeros(0), np.zeros(0), np.zeros(0))


@compiled
def _pass(
    slots: Counts,
    all_numbers: Numbers,
    all_counts: Counts,
    usual: Usual,
    judge: Judge,
    bars: Bars,
    given: NDArray[np.bool_],
    found: Found,
) -> None:
    judged = bars.common.size > 0
    kept = 0
    for index in range(slots.size):
        row, keys = found.rows.numbers[index], found.rows.keys[index]
        numbers, counts = all_numbers[slots[index]], all_counts[slots[index]]
        values = found.values[index]
        expected = expectation(row, keys, numbers, counts, usual)
        measure(row, keys, numbers, counts, usual, expected, values)
        found.seen[index] = counts[layout.SEEN]
        found.expected[index, 0] = expected.amount
        found.expected[index, 1] = expected.amount_sd
        found.expected[index, 2] = expected.log_amount
        found.expected[index, 3] = expected.log_amount_sd
        found.expected[index, 4] = expected.category
        found.expected[index, 5] = expected.category_sd
        found.expected[index, 6] = expected.gap
        found.expected[index, 7] = expected.known
        found.kept[index] = -1
        suspicious = given[index]
        if judged:
            _judge(index, row[layout.ROW_TIME], numbers, expected.gap, judge, bars, found)
            suspicious = found.rarity[index] >= found.bar[index]
            if found.rarity[index] >= min(bars.kept_from[index], found.bar[index] - CLOSE):
                found.states[0][kept] = numbers
                found.states[1][kept] = counts
                found.kept[index] = kept
                kept += 1
            _move_bar(index, row[layout.ROW_TIME], numbers, judge, bars, found)
        found.new[index] = learn(row, keys, numbers, counts, expected, suspicious)


@compiled
def _judge(index: int, time: float, numbers: Numbers, gap: float, judge: Judge, bars: Bars, found: Found) -> None:
    """How suspicious a transaction is before feedback; moves the user's memory past it."""
    values, shares = found.values[index], found.shares[index]
    squares = 0.0
    for feature in range(WEIGHTS.size):
        rare = rarity(values[feature], judge.scale, feature)
        shares[feature] = WEIGHTS[feature] * rare * rare
        squares += shares[feature]
    own = rarity(sqrt(squares), judge.scale, WEIGHTS.size)
    memory = numbers[layout.MEMORY]
    total = own
    if memory != 0.0:
        memory = decayed(memory, time - numbers[layout.LAST_TIME], gap, judge.half_life)
        if memory != 0.0:
            total = raised(own, lift_after(memory, judge.knots))
    shares[MEMORY_SHARE] = (squares / own if own > 0.0 else 1.0) * (total - own)
    found.own[index], found.total[index] = own, total
    found.rarity[index] = (total - judge.zero) / judge.decade if total > judge.zero else 0.0
    found.bar[index] = bars.common[index] + numbers[layout.BAR]
    numbers[layout.MEMORY] = fed(memory, own)


@compiled
def _move_bar(index: int, time: float, numbers: Numbers, judge: Judge, bars: Bars, found: Found) -> None:
    rate = bars.rate[index]
    if rate != rate:
        weigh(numbers, time, bars.common[index], found.rarity[index])
    else:
        bar = numbers[layout.BAR]
        numbers[layout.BAR] = moved(bar, bars.common[index], found.rarity[index], rate, judge.returning)
