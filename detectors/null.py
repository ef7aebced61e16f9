"""The empirical null: how strange ordinary traffic is, read off a history that may hold anomalies.

Labels are not needed where anomalies are few among what is hardly strange: the shape of that body is ordinary
traffic's, and goes on beyond it. Source: Efron, "Large-scale simultaneous hypothesis testing: the choice of a null
hypothesis", JASA 2004; the fit is Lindsey's method of Efron and Tibshirani, "Using specially designed exponential
families for density estimation", Annals of Statistics 1996.
"""

from math import erfc, exp, expm1, inf, log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LN10 = log(10.0)
BEGIN, BODY = 0.4, 0.8
"""The quantiles between which the first, plain exponential is fitted."""

ENDS = (0.1, 0.07, 0.05, 0.035, 0.025, 0.02)
"""Shares of ordinary traffic beyond the ends that are tried for the body: anomalies in it would make the null too
heavy, so that the end with the lightest null is the cleanest. At 10 % anomalies that is an early one."""

CELLS = 24
CURVED, CURVED_SD = 0.03, 0.2
"""Prior of how log density bends, in squares of the rate: by little on any stream seen, never upwards."""

ODD, ODD_SLOPE = 0.01, 0.5
"""Ordinary people's oddities, which no body foretells: a holiday, a big purchase. So large a share of traffic is taken
to be as strange as one in ten for a reason of this kind, falling by this many decades with each of the body. To a
detector that knows nobody a person's oddities are mostly no news: see `fitted`."""

LEAST_RATE = 0.3
"""By no less density falls from the beginning on, in mean excesses."""

PROBE = 3.9
"""Where ends are compared: this many mean excesses beyond the beginning, about one in a hundred."""

CAUTION = 1.0
"""Standard deviations by which the null is taken to be heavier there than it was found: of a short history little is
known, and a null that is too light makes anomalies of ordinary transactions."""

REACH = (0.75, 1.75, 2.0, 3.0)
"""Anomalies reach into the body: from none at the first rarity to as many a decade, from the second on, as there are
more than foretold between the last two."""


STRETCH, RARE = 5_000, 0.02
"""So many of the newest transactions always count; how many of the rarest so large share of a history are among them is
compared with those before."""

DIFFERENT, EPISODE = 3.0, 3.0
"""By so many standard deviations two stretches differ; rare transactions come in episodes of about three."""


class Null(NamedTuple):
    """Ordinary traffic's survival: `within` rows lie below `begin`; from there on log density is a parabola in the
    distance x from it, `level` - `rate` x - `bend` x^2, in rows of a history of `rows`.

    `zero` and `decade` are where a scale of rarities begins and how long one decade of it is. `oddities` is
    `ODD`, or what stands in its place.
    """

    rows: int
    within: int
    begin: float
    level: float
    rate: float
    bend: float
    zero: float
    decade: float
    oddities: float = ODD

    def rarities(self, totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """How rare suspicions, shape (n,), are in ordinary traffic, in decades from 0."""
        return np.maximum((totals - self.zero) / self.decade, 0.0)

    @property
    def ordinary(self) -> float:
        """How many rows of history are ordinary."""
        return self.within + self.beyond(0.0)

    def beyond(self, rarity: float) -> float:
        """How many ordinary rows of the history are as rare or rarer, but for people's oddities."""
        x = rarity * self.decade + self.zero - self.begin
        return _tail(self.level, self.rate, self.bend, x if x > 0.0 else 0.0)

    def odd(self, rarity: float) -> float:
        """How many rows are people's oddities of this rarity or rarer."""
        return self.rows * self.oddities * exp(-LN10 * ODD_SLOPE * (max(rarity, 0.0) - 1.0))

    def share(self, rarity: float) -> float:
        """The share of ordinary traffic that is as rare or rarer, 1 at the most."""
        if rarity * self.decade + self.zero <= self.begin:
            return 1.0
        return min((self.beyond(rarity) + self.odd(rarity)) / max(self.ordinary, 1.0), 1.0)


def fitted(totals: NDArray[np.float64], oddities: float = ODD) -> Null:
    """The null of a history's suspicions, shape (n,), of any unit and origin; `oddities` as in `Null`."""
    ordered = np.sort(totals)
    begin, body = np.quantile(ordered, (BEGIN, BODY)).tolist()
    above = ordered[ordered >= begin] - begin
    width = body - begin
    inside = above[above < width]
    if inside.size < 20 or width <= 0.0:
        return _of_little(ordered, oddities)
    rate0 = _truncated_rate(inside, width)
    level0 = log(inside.size * rate0 / -expm1(-rate0 * width))
    within = ordered.size - above.size
    decade = LN10 / rate0
    # One in ten of ordinary rows has a rarity of 1.
    ordinary = within + exp(level0) / rate0
    zero = begin + log(exp(level0) / rate0 / (0.1 * ordinary)) / rate0 - decade
    found: Null | None = None
    lightest = inf
    null = Null(ordered.size, within, begin, level0, rate0, 0.0, zero, decade, oddities)
    for end in ENDS:
        width = _where(null, end)
        null = _with_body(null, above, width)
        probed = _tail(null.level, null.rate, null.bend, PROBE / rate0)
        if probed < lightest:
            found, lightest = null, probed
    assert found is not None
    return found


def lately(totals: NDArray[np.float64]) -> int:
    """How many of a history's suspicions, shape (n,) in order of time, tell how many anomalies there are now.

    The newest stretch is doubled as long as the one before had as many rare ones.
    """
    n = len(totals)
    rare = np.concatenate(([0], np.cumsum(totals >= np.quantile(totals, 1.0 - RARE))))
    newest = min(STRETCH, n)
    while newest < n:
        before = min(newest, n - newest)
        new = float(rare[n] - rare[n - newest]) * before / newest
        old = float(rare[n - newest] - rare[n - newest - before])
        if abs(new - old) > DIFFERENT * sqrt(EPISODE * (new + old + 1.0)):
            break
        newest += before
    return newest


def _with_body(null: Null, above: NDArray[np.float64], width: float) -> Null:
    """The null with its parabola fitted to the rows up to `width` beyond the beginning.

    Oddities are taken off, and the anomalies by what the null so far says of them.
    """
    counts, edges = np.histogram(above, CELLS, (0.0, width))
    rarities = (edges + null.begin - null.zero) / null.decade
    odd = np.array([null.odd(rarity) for rarity in rarities.tolist()])
    cleaned = np.maximum(counts - (odd[:-1] - odd[1:]) - np.diff(_reaching(null, above, rarities)), 0.2 * counts)
    rate0 = LN10 / null.decade
    places = 0.5 * (edges[1:] + edges[:-1]) * rate0
    level, rate, bend, doubt = _parabola(cleaned, places)
    # Heavier by the doubt at `PROBE`, and as before where most of the rows are.
    middle = float(cleaned @ places / cleaned.sum()) if cleaned.any() else 0.0
    less = min(CAUTION * doubt / (PROBE - middle), rate - LEAST_RATE)
    # Counts a cell are turned into density, scaled distances into distances.
    level = level - less * middle - log(width / CELLS)
    return null._replace(level=level, rate=(rate - less) * rate0, bend=bend * rate0 * rate0)


def _reaching(null: Null, above: NDArray[np.float64], rarities: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many anomalies there are below each of `rarities`, by `REACH`; `above` are the rows from the beginning on."""
    none, all_from, low, high = REACH
    found = (above + null.begin - null.zero) / null.decade
    seen = int(((found >= low) & (found < high)).sum())
    foretold = null.beyond(low) + null.odd(low) - null.beyond(high) - null.odd(high)
    part = np.clip((rarities - none) / (all_from - none), 0.0, 1.0)
    decades = 0.5 * part * part * (all_from - none) + np.maximum(rarities - all_from, 0.0)
    return max(seen - foretold, 0.0) / (high - low) * decades


def _parabola(counts: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Level, rate and bend of log counts that fall with x, and the standard deviation of what they come to at `PROBE`.

    Poisson regression, the bend's prior normal and cut at 0.
    """
    columns = np.column_stack((np.ones(len(x)), -x, -x * x))
    precision = np.diag((0.0, 0.0, CURVED_SD**-2))
    mean = np.array((0.0, 0.0, CURVED))
    start = np.array((log(max(counts.sum(), 1.0) / np.exp(-x).sum()), 1.0, 0.0))
    found = _maximised(columns, counts, start, precision, mean)
    if found[2] < 0.0 or found[1] < LEAST_RATE:
        straight = _maximised(columns[:, :2], counts, start[:2], np.zeros((2, 2)), np.zeros(2))
        found = np.append(straight, 0.0)
    expected = np.exp(np.minimum(columns @ found, 60.0))
    at_probe = np.array((0.0, PROBE - x.mean(), PROBE**2 - (x * x).mean()))
    precision = columns.T @ (expected[:, None] * columns) + precision
    doubt = float(np.sqrt(at_probe @ np.linalg.solve(precision, at_probe)))
    level, rate, bend = found.tolist()
    return level, max(rate, LEAST_RATE), bend, doubt


def _maximised(
    columns: NDArray[np.float64],
    counts: NDArray[np.float64],
    start: NDArray[np.float64],
    precision: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The coefficients of largest posterior, by Newton's method with halved steps."""

    def value(beta: NDArray[np.float64]) -> float:
        logs = np.minimum(columns @ beta, 60.0)
        off = beta - mean
        return float((counts * logs - np.exp(logs)).sum() - 0.5 * off @ precision @ off)

    beta = start
    for _ in range(40):
        expected = np.exp(np.minimum(columns @ beta, 60.0))
        gradient = columns.T @ (counts - expected) - precision @ (beta - mean)
        curvature = columns.T @ (expected[:, None] * columns) + precision + 1e-9 * np.eye(len(beta))
        step = np.linalg.solve(curvature, gradient)
        before = value(beta)
        while value(beta + step) < before and abs(step).max() > 1e-9:
            step = 0.5 * step
        beta = beta + step
        if abs(step).max() < 1e-7:
            break
    return beta


def _where(null: Null, share: float) -> float:
    """How far beyond the beginning so large a share of the ordinary rows lies."""
    low, high = 0.0, 30.0 / null.rate
    wanted = share * null.ordinary
    for _ in range(50):
        middle = 0.5 * (low + high)
        rarity = (middle + null.begin - null.zero) / null.decade
        if _tail(null.level, null.rate, null.bend, middle) + null.odd(rarity) > wanted:
            low = middle
        else:
            high = middle
    return high


def _of_little(ordered: NDArray[np.float64], oddities: float) -> Null:
    """A null for a history that is too short or too uniform to fit one: an exponential about its median."""
    middle, upper = np.quantile(ordered, (0.5, 0.9)).tolist()
    decade = max((upper - middle) / log(5.0), 0.1) * LN10
    rate = LN10 / decade
    rows = int(ordered.size)
    return Null(
        rows, rows - rows // 2, middle, log(max(rows / 2, 0.5) * rate), rate, 0.0, upper - decade, decade, oddities
    )


def _truncated_rate(distances: NDArray[np.float64], width: float) -> float:
    """The rate of the exponential, cut at `width`, that has these distances' mean."""
    mean = float(distances.mean()) / width
    low, high = 1e-3, 200.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if 1.0 / middle - 1.0 / expm1(middle) > mean:
            low = middle
        else:
            high = middle
    return low / width


def _tail(level: float, rate: float, bend: float, x: float) -> float:
    """The integral of exp(level - rate t - bend t^2) from x on."""
    if bend <= 1e-9 * rate * rate:
        return exp(level - rate * x) / rate
    root = sqrt(bend)
    z = (x + rate / (2.0 * bend)) * root
    height = level - rate * x - bend * x * x
    # erfc(z) exp(z^2), by its asymptotic series where the product would underflow.
    scaled = erfc(z) * exp(z * z) if z < 20.0 else (1.0 - 0.5 / (z * z)) / (z * sqrt(pi))
    return 0.5 * sqrt(pi) / root * exp(max(height, -700.0)) * scaled
