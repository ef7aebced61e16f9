"""A user's memory of suspicion: how much it holds, and what history says that is worth.

Fraud comes in series on some kinds of card and one at a time on others; a memory that raised every score after
an alert would help with the first and drown the second. So a model learns from history, without labels, how much
likelier a very suspicious transaction is after so much earlier suspicion: the lift. Its logarithm is the prior
that Bayes' rule adds to the evidence of the transaction itself.
"""

from bisect import bisect_right
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.features import count_span, spend_span

FLOOR, STEP = 1.3, 4.0
"""A transaction adds its rarity above `FLOOR`, at most `STEP`."""

FORGOTTEN = 0.01

SUSPICIOUS_SHARE = 0.01
"""The share of history whose return is counted."""

PRIOR = 0.5
"""Suspicious transactions that are taken to have come as often as anywhere: shrinks lifts of few observations."""

_EDGES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


class Persistence(msgspec.Struct, frozen=True, array_like=True):
    """log10 of the lift, a non-decreasing and non-negative function of memory, by linear interpolation."""

    memory: tuple[float, ...]
    lift: tuple[float, ...]

    @classmethod
    def fit(cls, memory: NDArray[np.float64], base: NDArray[np.float64]) -> Self:
        """Learn from `memory` before each transaction and its `base` rarity, both of shape (n,).

        Pass transactions only that stand apart from the user's one before: the rest of the same episode says
        nothing of whether suspicion lasts.
        """
        from sklearn.isotonic import isotonic_regression

        bar = np.quantile(base, 1.0 - SUSPICIOUS_SHARE) if base.size else 0.0
        suspicious = base > bar
        share = suspicious.mean() if base.size else 0.0
        cell = np.searchsorted(_EDGES, memory)
        cells = len(_EDGES) + 1
        count = np.bincount(cell, minlength=cells)
        expected = count * share + PRIOR
        lift = np.log10((np.bincount(cell, suspicious, cells) + PRIOR) / expected)
        middle = np.bincount(cell, memory, cells) / np.maximum(count, 1)
        # A cell that history never filled stands at its own edge and says nothing.
        middle = np.where(count > 0, middle, np.array((*_EDGES, _EDGES[-1])))
        rising = np.maximum(isotonic_regression(lift, sample_weight=expected), 0.0)
        return cls(tuple(middle.tolist()), tuple(rising.tolist()))

    def of(self, memory: float) -> float:
        """log10 of the lift after this much memory."""
        if memory <= 0.0:
            return 0.0
        knots, lifts = self.memory, self.lift
        right = bisect_right(knots, memory)
        if right == 0:
            return lifts[0]
        if right == len(knots):
            return lifts[-1]
        left = right - 1
        part = (memory - knots[left]) / (knots[right] - knots[left])
        return lifts[left] + part * (lifts[right] - lifts[left])


def raised(base: float, lift: float) -> float:
    """Suspicion of a transaction of rarity `base` after a log10 `lift`: a prior, and a louder evidence."""
    return base + lift * (1.0 + 0.5 * base)


def decayed(memory: float, elapsed: float, gap: float) -> float:
    """Memory after `elapsed` seconds: a half-life of a day, or of a busier user's 16 gaps; what is next to nothing
    is forgotten.

    A late event (`elapsed` below 0) finds it as it is.
    """
    if elapsed <= 0.0:
        return memory
    left = memory * 2.0 ** (-elapsed / spend_span(gap))
    return left if left > FORGOTTEN else 0.0


def fed(memory: float, base: float) -> float:
    """Memory after a transaction of this rarity."""
    if base <= FLOOR:
        return memory
    return memory + (base - FLOOR if base < FLOOR + STEP else STEP)


def replayed(
    users: list[str], times: list[float], gaps: list[float], bases: list[float]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Memory before each transaction of a history, and whether it stands apart from the user's one before."""
    memories: dict[str, tuple[float, float]] = {}
    found, apart = [], []
    for user, time, gap, base in zip(users, times, gaps, bases, strict=True):
        before, last = memories.get(user, (0.0, time))
        memory = decayed(before, time - last, gap)
        found.append(memory)
        apart.append(time - last > count_span(gap))
        memories[user] = fed(memory, base), time
    return np.array(found), np.array(apart, bool)
