"""A user's memory of suspicion: how much it holds, and what history says that is worth.

Fraud comes in series on some kinds of card and one at a time on others; a memory that raised every score after
an alert would help with the first and drown the second. So a model learns from history, without labels, how much
likelier a very suspicious transaction is after so much earlier suspicion: the lift. Its logarithm is the prior
that Bayes' rule adds to the evidence of the transaction itself. Some series end within hours, others last for weeks:
how soon suspicion is halved is learnt as well, as what tells most of when it returns.
"""

from math import inf, isnan, log
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.compiled import compiled
from detectors.features import LN10, count_span, spend_span
from detectors.layout import Numbers

FLOOR, STEP = 1.3, 4.0
"""A transaction adds its rarity above `FLOOR`, at most `STEP`."""

STAYS = 0.8
"""What is left of the memory after a transaction that is not rarer than `FLOOR`: it is likelier the user's own, and so
is the next one."""

FORGOTTEN = 0.01

SUSPICIOUS_SHARE = 0.01
"""The share of history whose return is counted."""

HALF_LIVES = 0.5, 1.0, 2.0, 4.0
"""What may be learnt, in days, or in a busier user's 16 gaps each (`spend_span`)."""

USUAL_HALF_LIFE = 1.0
"""Taken unless history tells clearly more of another one."""

PRIOR = 0.5
"""Suspicious transactions that are taken to have come as often as anywhere: shrinks lifts of few observations."""

_EDGES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


class Persistence(msgspec.Struct, frozen=True, array_like=True):
    """log10 of the lift, a non-decreasing and non-negative function of memory, by linear interpolation; and the
    `half_life` of the memory that it was learnt for, one of `HALF_LIVES`."""

    memory: tuple[float, ...]
    lift: tuple[float, ...]
    half_life: float = USUAL_HALF_LIFE

    @classmethod
    def fit(cls, past: "Past", base: NDArray[np.float64], used: NDArray[np.bool_]) -> tuple[Self, NDArray[np.float64]]:
        """Learn from a history, n rows, of which each has its `base` rarity, and those that are `used` count.

        Another half-life than the usual one is taken where the likelihood of what returned is higher by more than a
        parameter costs (Schwarz, "Estimating the dimension of a model", Annals of Statistics 1978).

        Returns: what was learnt, and the memory before each transaction, shape (n,).
        """
        best, most = None, -inf
        for half_life in HALF_LIVES:
            memory, apart = replayed(*past, base, half_life)
            # The rest of the same episode says nothing of whether suspicion lasts.
            telling = used & apart
            found, gain = cls._lifts(memory[telling], base[telling], half_life)
            if half_life != USUAL_HALF_LIFE:
                gain -= 0.5 * log(max(int(telling.sum()), 1))
            if best is None or gain > most:
                best, most = (found, memory), gain
        assert best is not None
        return best

    @classmethod
    def _lifts(cls, memory: NDArray[np.float64], base: NDArray[np.float64], half_life: float) -> tuple[Self, float]:
        """Lifts learnt from `memory` and `base` rarity, shape (n,) each; and by how much they raise the log-likelihood
        of what was suspicious (Poisson)."""
        from sklearn.isotonic import isotonic_regression

        bar = np.quantile(base, 1.0 - SUSPICIOUS_SHARE) if base.size else 0.0
        suspicious = base > bar
        share = suspicious.mean() if base.size else 0.0
        cell = np.searchsorted(_EDGES, memory)
        cells = len(_EDGES) + 1
        count = np.bincount(cell, minlength=cells)
        returned = np.bincount(cell, suspicious, cells)
        expected = count * share + PRIOR
        lift = np.log10((returned + PRIOR) / expected)
        middle = np.bincount(cell, memory, cells) / np.maximum(count, 1)
        # A cell that history never filled stands at its own edge and says nothing.
        middle = np.where(count > 0, middle, np.array((*_EDGES, _EDGES[-1])))
        lift = isotonic_regression(lift, sample_weight=expected)
        gain = float((returned * lift * LN10 - count * share * (10.0**lift - 1.0)).sum())
        rising = np.maximum(lift, 0.0)
        return cls(tuple(middle.tolist()), tuple(rising.tolist()), half_life), gain

    @property
    def knots(self) -> Numbers:
        """Memory and lift as `lift_after` reads them, shape (2, n)."""
        return np.array((self.memory, self.lift))


@compiled
def lift_after(memory: float, knots: Numbers) -> float:
    """log10 of the lift after this much memory, by the `knots` of a `Persistence`."""
    if memory <= 0.0:
        return 0.0
    right = np.searchsorted(knots[0], memory, side="right")
    if right == 0:
        return float(knots[1, 0])
    if right == knots.shape[1]:
        return float(knots[1, -1])
    left = right - 1
    part = (memory - knots[0, left]) / (knots[0, right] - knots[0, left])
    return float(knots[1, left] + part * (knots[1, right] - knots[1, left]))


@compiled
def raised(base: float, lift: float) -> float:
    """Suspicion of a transaction of rarity `base` after a log10 `lift`: a prior, and a louder evidence."""
    return base + lift * (1.0 + 0.5 * base)


@compiled
def decayed(memory: float, elapsed: float, gap: float, half_life: float) -> float:
    """Memory after `elapsed` seconds, of a `half_life` in days, or in a busier user's 16 gaps each; what is next to
    nothing is forgotten.

    A late event (`elapsed` below 0) finds it as it is.
    """
    if elapsed <= 0.0:
        return memory
    left = memory * np.exp2(-elapsed / (half_life * spend_span(gap)))
    return left if left > FORGOTTEN else 0.0


@compiled
def fed(memory: float, base: float) -> float:
    """Memory after a transaction of this rarity."""
    if base <= FLOOR:
        return STAYS * memory
    return memory + (base - FLOOR if base < FLOOR + STEP else STEP)


class Past(NamedTuple):
    """Whose the transactions of a history are, as numbers from 0; when they were, and the user's usual gap then, in
    seconds. Shape (n,) each."""

    users: NDArray[np.int64]
    times: Numbers
    gaps: Numbers


@compiled
def replayed(
    users: NDArray[np.int64], times: Numbers, gaps: Numbers, bases: Numbers, half_life: float
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Memory before each transaction of a history, and whether it stands apart from the user's one before."""
    held = np.zeros(users.size)
    last = np.full(users.size, np.nan)
    found, apart = np.empty(users.size), np.empty(users.size, np.bool_)
    for index in range(users.size):
        user, time, gap = users[index], times[index], gaps[index]
        elapsed = 0.0 if isnan(last[user]) else time - last[user]
        memory = decayed(held[user], elapsed, gap, half_life)
        found[index] = memory
        apart[index] = elapsed > count_span(gap)
        held[user] = fed(memory, bases[index])
        last[user] = time
    return found, apart
