"""From any feature value to its rarity: -log10 of the share of history that was as large or larger."""

from collections.abc import Sequence
from math import inf, log
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.compiled import compiled

CELLS = 256
BULK = 0.25
TAIL = 0.99
TRUSTED = 0.95
BODY = 0.9


class Calibration(msgspec.Struct, frozen=True, array_like=True):
    """Empirical survival up to `upper`, an exponential tail beyond.

    `table` holds the rarity at the start of each of `CELLS` equal cells between `lower` and `upper`, then twice
    the one at `upper`; in between it is interpolated. Below `lower`, where the usual values lie, it is 0.
    """

    lower: float
    upper: float
    per_cell: float
    at_upper: float
    tail: float
    table: tuple[float, ...]

    @classmethod
    def fit(
        cls,
        values: NDArray[np.float64],
        floor: float,
        *,
        decades: float | None = None,
        heaviest: float = inf,
        bulk: float = BULK,
        body: bool = False,
    ) -> Self:
        """Calibrate on `values`, shape (n,); infinite ones are left out as missing.

        `floor` is the least mean excess the tail may have, in the feature's unit: it keeps a feature that
        was constant in history from calling the first other value infinitely rare. Up to the share `bulk` of
        history nothing is rare at all.

        `heaviest` is the most the tail's mean excess may be of the body's, between the 80th and 95th percentile,
        where by the feature's nature nothing but anomalies could make it heavier.

        With `decades` the values are logarithms of a probability themselves, of the user's own habits: beyond
        `TRUSTED` of history each unit of `value` above `decades` is one unit of rarity, whatever history shows
        there. A new device is rare for a user who never changed it, however many frauds history had.

        With `body` nothing beyond the 90th percentile is believed, while nobody knows how many anomalies are there.
        """
        if body and decades is None:
            return cls.of_body(values, floor, bulk=bulk)
        known = _known(values)
        trusted = BODY if body else TRUSTED
        lower, upper = _quantiles(known, bulk, TAIL if decades is None else trusted)
        if decades is not None:
            return cls._tabled(known, lower, max(upper, decades), 1.0)
        excess = known[known > upper] - upper
        # The median, because a few frauds among the hundredth that is beyond would stretch the mean.
        scale = float(np.median(excess)) / log(2) if excess.size else 0.0
        if heaviest < inf:
            low, high = _quantiles(known, 0.8, 0.95)
            scale = min(scale, heaviest * (high - low) / log(4))
        return cls._tabled(known, lower, upper, 1.0 / (max(scale, floor) * log(10)))

    @classmethod
    def of_body(cls, values: NDArray[np.float64], floor: float, *, bulk: float = BULK) -> Self:
        """Calibrate on `values`, shape (n,), that may hold anomalies: the tail is what the body foretells.

        Beyond the 90th percentile log survival goes on along the line through the median and that percentile,
        so that anomalies in history do not make themselves look usual. `floor` is the least mean excess.
        Source: Efron, "Large-scale simultaneous hypothesis testing: the choice of a null hypothesis", JASA 2004.
        """
        known = _known(values)
        lower, middle, upper = _quantiles(known, bulk, 0.5, BODY)
        scale = max((upper - middle) / log(0.5 / (1.0 - BODY)), floor)
        return cls._tabled(known, lower, upper, 1.0 / (scale * log(10)))

    @classmethod
    def _tabled(cls, known: NDArray[np.float64], lower: float, upper: float, tail: float) -> Self:
        edges = np.linspace(lower, upper, CELLS + 1)
        above = known.size - np.searchsorted(known, edges, side="left")
        table = -np.log10((above + 1) / (known.size + 1))
        return cls(
            lower=lower,
            upper=upper,
            per_cell=CELLS / (upper - lower) if upper > lower else 0.0,
            at_upper=float(table[-1]),
            tail=tail,
            # Once more the last, for a value below `upper` whose cell is rounded up to the end.
            table=(*table.tolist(), float(table[-1])),
        )

    def rarities(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rarity of each value, shape (n,)."""
        return rarities(values, Scale.of([self]), 0)


class Scale(NamedTuple):
    """Calibrations as compiled functions read them: `ends` are lower, upper, cells a unit, the rarity at `upper` and
    the tail's slope, shape (n, 5), and `tables` has shape (n, `CELLS` + 2)."""

    ends: NDArray[np.float64]
    tables: NDArray[np.float64]

    @classmethod
    def of(cls, calibrations: Sequence[Calibration]) -> Self:
        """One row for each of the calibrations."""
        ends = [(each.lower, each.upper, each.per_cell, each.at_upper, each.tail) for each in calibrations]
        return cls(np.array(ends), np.array([each.table for each in calibrations]))


@compiled
def rarity(value: float, scale: Scale, number: int) -> float:
    """The rarity of one value by the calibration of this number; -inf (missing) is neutral, 0."""
    ends = scale.ends[number]
    lower, upper = ends[0], ends[1]
    if value <= lower:
        return 0.0
    if value >= upper:
        return float(ends[3] + (value - upper) * ends[4])
    table = scale.tables[number]
    cells = (value - lower) * ends[2]
    cell = int(cells)
    start = table[cell]
    return float(start + (cells - cell) * (table[cell + 1] - start))


@compiled
def rarities(values: NDArray[np.float64], scale: Scale, number: int) -> NDArray[np.float64]:
    """The `rarity` of each value, shape (n,)."""
    found = np.empty(len(values))
    for index in range(len(values)):
        found[index] = rarity(values[index], scale, number)
    return found


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The finite values in order; a zero where there are none."""
    known = np.sort(values[np.isfinite(values)])
    return known if known.size else np.zeros(1)


def _quantiles(known: NDArray[np.float64], *shares: float) -> list[float]:
    found: list[float] = np.quantile(known, shares, method="lower").tolist()
    return found
