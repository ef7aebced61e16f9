"""What is usual in the whole population: the parents that a user's own habits are shrunk to."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import exp
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.compiled import compiled
from detectors.habits import fields_of
from detectors.inputs import InputColumns

MAX_KNOWN = 20_000
"""Values of one field kept in a model; the rest count as never seen."""

MAX_CATEGORIES = 500
DAY, HOUR = 86_400.0, 3600.0
SETTLING = 1.0, 3.0
"""Days: hours of the day say nothing in the first, and all they ever do from the end of the third."""

SECONDS_PER_DEGREE = 240.0
"""What the sun needs for a degree of longitude."""


class Frequencies(msgspec.Struct, frozen=True, array_like=True):
    """Shares of a field's values in history; `unseen` is the share of any value that is not listed."""

    share: dict[str, float]
    unseen: float

    def of(self, value: str | None) -> float:
        """The share of a value."""
        return self.unseen if value is None else self.share.get(value, self.unseen)

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


class Usual(NamedTuple):
    """What of a population every transaction is measured against, as compiled functions read it.

    `hours` has shape (24,), `known` how many values are listed of each field of `detectors.layout`, in its order.
    """

    amount_mean: float
    amount_cv2: float
    log_amount: float
    log_amount_variance: float
    log_gap: float
    log_gap_variance: float
    mean_gap: float
    hours: NDArray[np.float64]
    known: NDArray[np.int64]


class Population(msgspec.Struct, frozen=True):
    """Amounts in euros, gaps in seconds.

    `amount_cv2` is the typical squared coefficient of variation of one user's amounts. `hours` are the shares of
    the 24 hours of the day, `smoothed`, by the sun where the place is known, else UTC; even ones in a history of hours.
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

    @property
    def fields(self) -> tuple[Frequencies, ...]:
        """The shares of the fields of `detectors.layout`, in its order."""
        found: tuple[Frequencies, ...] = fields_of(self)
        return found

    def usual(self) -> Usual:
        """The part of it that does not depend on what a transaction is."""
        return Usual(
            self.amount_mean,
            self.amount_cv2,
            self.log_amount.mean,
            self.log_amount.variance,
            self.log_gap.mean,
            self.log_gap.variance,
            self.mean_gap,
            np.array(self.hours),
            np.array([len(of.share) for of in self.fields]),
        )

    @classmethod
    def fit(cls, rows: InputColumns) -> "Population":
        """The population of a history in order of time; defaults stand in for what it lacks."""
        if not rows:
            return _DEFAULT
        of = rows.of
        amounts, times = of.amount, of.time
        _, users = np.unique(np.array([*of.user]), return_inverse=True)
        # One absurd amount must not become everybody's usual.
        clipped = np.clip(amounts, *np.quantile(amounts, (0.005, 0.995)))
        by_category = log_amounts(of.log_amount, [category or "" for category in of.category])
        log_gap, mean_gap = _gaps(times, users)
        local = times + SECONDS_PER_DEGREE * np.nan_to_num(of.longitude)
        hours = np.bincount((local // 3600 % 24).astype(np.int64), minlength=24) + 1.0
        told = settled(float(times.max()) - float(times.min()))
        shares = told * hours / hours.sum() + (1.0 - told) / 24
        return cls(
            amount_mean=max(float(clipped.mean()), 0.01),
            amount_cv2=_typical_cv2(clipped, users),
            log_amount=by_category[""],
            log_gap=log_gap,
            mean_gap=mean_gap,
            by_category=by_category,
            hours=tuple(smoothed(shares, hour) for hour in range(24)),
            merchants=Frequencies.fit(of.merchant),
            categories=Frequencies.fit(of.category),
            countries=Frequencies.fit(of.country),
            devices=Frequencies.fit(of.device),
            payment_methods=Frequencies.fit(of.payment_method),
            currencies=Frequencies.fit(of.currency),
            transaction_types=Frequencies.fit(of.transaction_type),
        )


@compiled
def settled(known: float) -> float:
    """How far hours of the day count after `known` seconds, in [0, 1]: one afternoon tells nothing of the morning."""
    first, last = SETTLING
    return min(max((known / DAY - first) / (last - first), 0.0), 1.0)


# A Gaussian of 1 h around the hour, cut at 3 h, normalised to a sum of 1: the weights of 0, 1, 2 and 3 hours off.
_WEIGHTS = [exp(-0.5 * offset**2) for offset in range(4)]
_BELL = tuple(weight / (2.0 * sum(_WEIGHTS) - _WEIGHTS[0]) for weight in _WEIGHTS)


@compiled
def smoothed(hours: NDArray[Any], hour: int) -> float:
    """What the 24 `hours`, shape (24,), hold around `hour`, under a bell an hour wide that goes round midnight."""
    around = _BELL[0] * hours[hour]
    for off in range(1, 4):
        around += _BELL[off] * (hours[(hour - off) % 24] + hours[(hour + off) % 24])
    return float(around)


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
