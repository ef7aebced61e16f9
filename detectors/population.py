"""What is usual in the whole population: the parents that a user's own habits are shrunk to."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import exp
from typing import Self

import msgspec
import numpy as np

from detectors.inputs import Inputs

MAX_KNOWN = 20_000
"""Values of one field kept in a model; the rest count as never seen."""

MAX_CATEGORIES = 500
DAY, HOUR = 86_400.0, 3600.0
SECONDS_PER_DEGREE = 240.0
"""What the sun needs for a degree of longitude."""


class Frequencies(msgspec.Struct, frozen=True, array_like=True):
    """Shares of a field's values in history; `unseen` is the share of any value that is not listed."""

    share: dict[str, float]
    unseen: float

    @classmethod
    def fit(cls, values: Iterable[str | None]) -> Self:
        """Witten-Bell shares: the more distinct values history showed, the likelier is a new one."""
        counts = Counter(value for value in values if value is not None)
        total = counts.total() + len(counts) + 1
        return cls({value: n / total for value, n in counts.most_common(MAX_KNOWN)}, 1.0 / total)


class Normal(msgspec.Struct, frozen=True, array_like=True):
    """A mean and a variance."""

    mean: float
    variance: float


class Population(msgspec.Struct, frozen=True):
    """Amounts in euros, gaps in seconds.

    `amount_cv2` is the typical squared coefficient of variation of one user's amounts. `hours` are the shares of
    the 24 hours of the day, `smoothed`, by the sun where the place is known, else UTC.
    """

    amount_mean: float
    amount_cv2: float
    log_amount: Normal
    log_gap: Normal
    mean_gap: float
    by_category: dict[str, Normal]
    hours: tuple[float, ...]
    merchants: Frequencies
    categories: Frequencies
    countries: Frequencies
    devices: Frequencies
    payment_methods: Frequencies
    currencies: Frequencies
    transaction_types: Frequencies

    @classmethod
    def fit(cls, rows: Sequence[Inputs]) -> "Population":
        """The population of a history in order of time; defaults stand in for what it lacks."""
        if not rows:
            return _DEFAULT
        amounts = np.array([row.amount for row in rows])
        logs = np.array([row.log_amount for row in rows])
        times = np.array([row.time for row in rows])
        _, users = np.unique(np.array([row.user for row in rows]), return_inverse=True)
        # One absurd amount must not become everybody's usual.
        clipped = np.clip(amounts, *np.quantile(amounts, (0.005, 0.995)))
        by_category = log_amounts(logs, [row.category or "" for row in rows])
        log_gap, mean_gap = _gaps(times, users)
        local = times + SECONDS_PER_DEGREE * np.array([row.longitude or 0.0 for row in rows])
        hours = np.bincount((local // 3600 % 24).astype(np.int64), minlength=24) + 1.0
        return cls(
            amount_mean=max(float(clipped.mean()), 0.01),
            amount_cv2=_typical_cv2(clipped, users),
            log_amount=by_category[""],
            log_gap=log_gap,
            mean_gap=mean_gap,
            by_category=by_category,
            hours=tuple(smoothed((hours / hours.sum()).tolist(), hour) for hour in range(24)),
            merchants=Frequencies.fit(row.merchant for row in rows),
            categories=Frequencies.fit(row.category for row in rows),
            countries=Frequencies.fit(row.country for row in rows),
            devices=Frequencies.fit(row.device for row in rows),
            payment_methods=Frequencies.fit(row.payment_method for row in rows),
            currencies=Frequencies.fit(row.currency for row in rows),
            transaction_types=Frequencies.fit(row.transaction_type for row in rows),
        )


# A Gaussian of 1 h around the hour, cut at 3 h, normalised to a sum of 1: the weights of 0, 1, 2 and 3 hours off.
_BELL = [exp(-0.5 * offset**2) for offset in range(4)]
_BELL = [weight / (2.0 * sum(_BELL) - _BELL[0]) for weight in _BELL]
_AROUND = [tuple((hour + offset) % 24 for offset in range(-3, 4)) for hour in range(24)]


def smoothed(hours: Sequence[float], hour: int) -> float:
    """What the 24 `hours` hold around `hour`, under a bell an hour wide that goes round midnight."""
    a, b, c, d, e, f, g = _AROUND[hour]
    w0, w1, w2, w3 = _BELL
    return w0 * hours[d] + w1 * (hours[c] + hours[e]) + w2 * (hours[b] + hours[f]) + w3 * (hours[a] + hours[g])


def log_amounts(logs: np.ndarray, categories: Sequence[str]) -> dict[str, Normal]:
    """Log amounts, shape (n,), by category, shrunk to those of all, which stand under the empty name."""
    overall = _normal(logs, Normal(float(np.median(logs)), 1.0), 5.0)
    names = np.array(categories)
    common = Counter(categories).most_common(MAX_CATEGORIES)
    return {name: _normal(logs[names == name], overall, 20.0) for name, _ in common if name} | {"": overall}


def _normal(values: np.ndarray, parent: Normal, weight: float) -> Normal:
    """Mean and variance of values clipped at 3.5 robust sd, shrunk to `parent` as by `weight` observations."""
    median = float(np.median(values))
    spread = max(1.4826 * float(np.median(np.abs(values - median))), 0.1)
    kept = np.clip(values, median - 3.5 * spread, median + 3.5 * spread)
    n = kept.size
    mean = (float(kept.sum()) + weight * parent.mean) / (n + weight)
    variance = (float(((kept - mean) ** 2).sum()) + weight * parent.variance) / (n + weight)
    return Normal(mean, max(variance, 0.01))


def _typical_cv2(amounts: np.ndarray, users: np.ndarray) -> float:
    n = np.bincount(users)
    mean = np.bincount(users, amounts) / np.maximum(n, 1)
    square = np.bincount(users, (amounts - mean[users]) ** 2)
    usable = (n >= 5) & (mean > 0)
    if usable.sum() < 5:
        return 1.0
    return float(np.clip(np.median(square[usable] / (n[usable] - 1) / mean[usable] ** 2), 0.05, 4.0))


def _gaps(times: np.ndarray, users: np.ndarray) -> tuple[Normal, float]:
    order = np.lexsort((times, users))
    same = np.diff(users[order]) == 0
    gaps = np.diff(times[order])[same]
    if gaps.size < 20:
        return _DEFAULT.log_gap, _DEFAULT.mean_gap
    return _normal(np.log1p(gaps), _DEFAULT.log_gap, 5.0), max(float(gaps.mean()), 1.0)


_NOTHING = Frequencies({}, 1.0)
_DEFAULT = Population(
    amount_mean=50.0,
    amount_cv2=1.0,
    log_amount=Normal(3.3, 1.2),
    log_gap=Normal(9.5, 2.5),
    mean_gap=DAY / 2,
    by_category={},
    hours=(1 / 24,) * 24,
    merchants=_NOTHING,
    categories=_NOTHING,
    countries=_NOTHING,
    devices=_NOTHING,
    payment_methods=_NOTHING,
    currencies=_NOTHING,
    transaction_types=_NOTHING,
)
