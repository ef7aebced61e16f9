"""What an alert is worth: how likely a transaction of some rarity is anomalous, estimated without labels.

Two groups: ordinary transactions, whose number at each rarity the null foretells, and anomalies, which are what is
there besides. The ordinary share of what was seen around a rarity is the local false discovery rate; the public score
is what is left of one. Source: Efron, "Large-Scale Inference", Cambridge 2010, chapters 5 and 6.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import exp, inf, log, log10, sqrt
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.compiled import compiled
from detectors.layout import Numbers
from detectors.null import Null
from domain.verdict import BANDS

STEP = 0.05
"""Rarities are counted in cells so wide; `BLOCK` of them are judged at once."""
BLOCK = 5

FIRST = 1.0
"""What one in ten of ordinary transactions reaches is never flagged: nothing below is counted."""

UNSEEN = 0.5
"""Anomalies that are expected where history had none: a stranger one may come."""

CHANCE = 2.0
"""Standard deviations by which fewer rows may have been seen than are foretold."""

LEAST_WORTH = 0.3
"""What is estimated to be worth less is no alert, however few of the others are wrong: where frauds lie apart there
would be room for a quarter as many ordinary transactions."""

LEAST = 0.02
"""So much of the score is the order of what is worth nothing."""

HALF_WAY = 2.0
"""Decades beyond the last estimate within which the score goes half of the rest of the way to 1."""

LABELS = 20.0
"""Labelled alerts that the estimate is worth: with so many in a band, labels and estimate weigh the same."""

_FURTHER = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


class Labels(NamedTuple):
    """How many alerts of one band of the estimate analysts have confirmed, and how many they have rejected."""

    confirmed: int = 0
    rejected: int = 0


class Worth(msgspec.Struct, frozen=True, array_like=True):
    """The estimate: a score for each of `rarities`, both increasing, with straight lines between them.

    `counts` are the rows of history by rarity from `FIRST` on, in cells of `STEP`, the last one open. `shares` are the
    shares of ordinary traffic at and beyond the beginnings of those cells. `anomalous` is the share of anomalies
    among the `rows` of history.
    """

    rarities: tuple[float, ...]
    scores: tuple[float, ...]
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    anomalous: float
    rows: int = 0

    @classmethod
    def fit(cls, rarities: NDArray[np.float64], null: Null) -> Self:
        """The estimate from a history's rarities, shape (n,), and its null."""
        most = float(rarities.max(initial=FIRST))
        cells = min(int((most - FIRST) / STEP) + 1, 400)
        edges = [FIRST + STEP * cell for cell in range(cells)]
        counts = np.histogram(rarities, [*edges, inf])[0]
        expected = [null.beyond(edge) + null.odd(edge) for edge in edges]
        blocks = []
        for start in range(0, cells, BLOCK):
            last = start + BLOCK >= cells
            foretold = expected[start] - (0.0 if last else expected[start + BLOCK])
            centre = edges[start] + 0.5 * STEP * BLOCK
            blocks.append(_Block(centre, float(counts[start : start + BLOCK].sum()), foretold))
        blocks = _no_more_than_seen([*blocks, *_unseen(max(most, FIRST), null)])
        knots, scores = [0.0], [0.0]
        for block in _falling(blocks):
            knots.append(block.centre)
            scores.append(_ordered(block.centre, 1.0 - block.wrong))
        shares = tuple(null.share(edge) for edge in edges)
        found = cls(tuple(knots), tuple(scores), tuple(counts.tolist()), shares, 0.0, null.rows)
        worth = [found.score(edge + 0.5 * STEP) for edge in edges]
        return msgspec.structs.replace(found, anomalous=float(counts @ worth) / max(null.rows, 1))

    def score(self, rarity: float) -> float:
        """How likely a transaction of this rarity is anomalous, in [0, 1]; strictly increasing from rarity 0 on."""
        return float(self.scores_of(np.array([rarity]))[0])

    def scores_of(self, rarities: Numbers) -> Numbers:
        """The `score` of each rarity, shape (n,)."""
        return _scores(rarities, np.array(self.rarities), np.array(self.scores))

    def bar(self, wrong: float) -> float:
        """The rarity from which alerts would have been wrong in the share `wrong` of history's, in (0, 1).

        Where history had no such alerts, what alone is surely worth one is flagged.
        """
        alone = self.bar_of(1.0 - wrong)
        found, alerts, mistaken = alone, 0, 0.0
        for cell in range(len(self.counts) - 1, -1, -1):
            rarity = FIRST + STEP * cell
            count = self.counts[cell]
            if self.score(rarity + 0.5 * STEP) < LEAST_WORTH:
                break
            alerts += count
            mistaken += count * (1.0 - self.score(rarity + 0.5 * STEP))
            if alerts and mistaken <= wrong * alerts:
                found = min(found, rarity)
        return found

    def bar_of(self, score: float) -> float:
        """The rarity from which on scores are at least so high."""
        low, high = 0.0, self.rarities[-1]
        while self.score(high) < score:
            high *= 2.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            if self.score(middle) < score:
                low = middle
            else:
                high = middle
        return high

    def rarity_of_rate(self, rate: float) -> float:
        """The rarity that a share `rate`, in (0, 1), of ordinary traffic reaches."""
        if not 0.0 < rate < 1.0:
            raise ValueError(f"alert_rate is {rate}; it must lie between 0 and 1")
        shares = self.shares
        if rate >= shares[0]:
            return FIRST * log10(rate) / log10(shares[0]) if shares[0] < 1.0 else FIRST
        for cell in range(1, len(shares)):
            if shares[cell] <= rate:
                before, after = log(shares[cell - 1]), log(shares[cell])
                part = (before - log(rate)) / (before - after) if before > after else 1.0
                return FIRST + STEP * (cell - 1 + part)
        return FIRST + STEP * (len(shares) - 1) + 2.0 * log10(shares[-1] / rate)

    def ordinary(self, rarity: float) -> float:
        """The share of ordinary traffic that is as rare or rarer, for rarities from `FIRST` on."""
        cell = (max(rarity, FIRST) - FIRST) / STEP
        last = len(self.shares) - 1
        if cell >= last:
            return self.shares[-1] * exp(-0.5 * STEP * (cell - last) * log(10.0))
        left = int(cell)
        return self.shares[left] + (cell - left) * (self.shares[left + 1] - self.shares[left])

    def at_most(self, rarity: float) -> float:
        """The share of ordinary traffic that is so rare at the most, while it stays like history.

        That is history's, anomalies included: an ordinary transaction is as likely to be among the rarest as any other
        ordinary one, and what anomalies history held stood before it. Source: Bashari, Sesia, Romano, "Robust conformal
        outlier detection under contaminated reference data", ICML 2025.
        """
        cell = max(int((rarity - FIRST) / STEP + 1e-9), 0)
        return min((sum(self.counts[cell:]) + 1) / (self.rows + 1), 1.0)

    def corrected(self, labels: Sequence[Labels]) -> "Worth":
        """The estimate after analysts' decisions, by band of the estimate: the mean of a beta distribution.

        A band without labels is left as it is, but for the order of scores. Source: Gelman et al., "Bayesian Data
        Analysis", 2013, chapter 5.
        """
        if not any(confirmed + rejected for confirmed, rejected in labels):
            return self
        centres = [*(0.5 * (low + high) for low, high in zip((0.0, *BANDS), (*BANDS, 1.0), strict=True))]
        shifts = []
        for centre, (confirmed, rejected) in zip(centres, labels, strict=True):
            shifts.append(log_odds(outcome(centre, Labels(confirmed, rejected))) - log_odds(centre))
        scores = [0.0]
        for knot, score in zip(self.rarities[1:], self.scores[1:], strict=True):
            moved = log_odds(score) + float(np.interp(score, centres, shifts))
            scores.append(max(of_log_odds(moved), scores[-1] + 1e-9 * (1.0 + knot)))
        return msgspec.structs.replace(self, scores=tuple(min(score, 1.0 - 1e-12) for score in scores))


@compiled
def _scores(rarities: Numbers, knots: Numbers, scores: Numbers) -> Numbers:
    found = np.zeros(len(rarities))
    last = len(knots) - 1
    for index in range(len(rarities)):
        rarity = rarities[index]
        if rarity <= 0.0:
            continue
        right = np.searchsorted(knots, rarity, side="right")
        if right > last:
            # Slower than any exponential, so that two extreme scores still differ after rounding to a double.
            found[index] = 1.0 - (1.0 - scores[last]) / (1.0 + (rarity - knots[last]) / HALF_WAY)
        else:
            low = scores[right - 1]
            part = (rarity - knots[right - 1]) / (knots[right] - knots[right - 1])
            found[index] = low + part * (scores[right] - low)
    return found


class _Block(NamedTuple):
    """Rows around a rarity, and how many of them the null foretells."""

    centre: float
    rows: float
    foretold: float

    @property
    def wrong(self) -> float:
        return min(self.foretold / self.rows, 1.0) if self.rows > 0.0 else 1.0


def _unseen(most: float, null: Null) -> list[_Block]:
    """What lies beyond the rarest row of history, where half an anomaly is expected all the same."""
    found = []
    for further in _FURTHER:
        foretold = null.beyond(most + further) + null.odd(most + further)
        found.append(_Block(most + further, UNSEEN + foretold, foretold))
    return found


def _no_more_than_seen(blocks: list[_Block]) -> list[_Block]:
    """The blocks with no more foretold than could be by what was seen; what was too much for one is for all rarer ones.

    Where frauds lie apart, the gap before them says that ordinary traffic has ended.
    """
    found, kept = [], 1.0
    for block in blocks:
        foretold = kept * block.foretold
        most = block.rows + CHANCE * sqrt(block.rows + 1.0)
        if foretold > most:
            kept *= most / foretold
            foretold = most
        found.append(block._replace(foretold=foretold))
    return found


def _falling(blocks: list[_Block]) -> list[_Block]:
    """Blocks pooled until the rarer is never the likelier ordinary."""
    found: list[_Block] = []
    for block in blocks:
        found.append(block)
        while len(found) > 1 and found[-2].foretold * found[-1].rows <= found[-1].foretold * found[-2].rows:
            last, before = found.pop(), found.pop()
            rows = before.rows + last.rows
            centre = (before.centre * before.rows + last.centre * last.rows) / rows if rows else before.centre
            found.append(_Block(centre, rows, before.foretold + last.foretold))
    return found


def _ordered(rarity: float, score: float) -> float:
    """The score with a little of the rarity's own order, so that scores that are worth the same still differ."""
    return 1.0 - (1.0 - score) * (1.0 - LEAST * rarity / (1.0 + rarity))


def outcome(estimate: float, labels: Labels) -> float:
    """What an estimate is after these labels: the mean of a beta distribution."""
    confirmed, rejected = labels
    return (LABELS * estimate + confirmed) / (LABELS + confirmed + rejected)


def log_odds(score: float) -> float:
    """The natural log-odds of a score in [0, 1], within +-34."""
    score = min(max(score, 1e-15), 1.0 - 1e-15)
    return log(score / (1.0 - score))


def of_log_odds(odds: float) -> float:
    """The score of `log_odds`."""
    return 1.0 / (1.0 + exp(-odds))


def band(score: float) -> int:
    """Which band of `BANDS` a score is in, from 0."""
    return bisect_right(BANDS, score)
