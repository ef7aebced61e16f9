"""Fitting the enhanced detector: what history says of features, of their sum, and of what alerts are worth."""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.calibration import Calibration, Scale
from detectors.drift import Reference
from detectors.features import FEATURES, Expectation
from detectors.inputs import InputColumns
from detectors.memory import Past, Persistence, lift_after, raised
from detectors.null import fitted, lately
from detectors.population import Population
from detectors.state import States
from detectors.stream import WEIGHTS, Judge, passed
from detectors.worth import Worth

WARMED_UP = 10
"""Transactions a user must have before the features of that user help to calibrate a model."""

USUAL = 0.5
"""Half of history is usual in each feature, and adds nothing to a score."""

LIKELY, SURE = 0.8, 0.9
"""What rows must be worth to be left out, by the first look and by the last: each ordinary row without which tables are
fitted makes the next one like it rarer."""


class Tables(msgspec.Struct, frozen=True):
    """What was fitted: a calibration of each feature and of their norm; the worth of memory; the scale of rarities, of
    which `decade` is one, and where it begins; what rarities are worth; the share of history that was left out as
    anomalies; and what drift is measured against."""

    features: tuple[Calibration, ...]
    combined: Calibration
    persistence: Persistence
    zero: float
    decade: float
    worth: Worth
    anomalous: float
    reference: Reference

    def rarity(self, total: float) -> float:
        """The rarity of a user's suspicion, earlier one and a merchant's included."""
        return (total - self.zero) / self.decade if total > self.zero else 0.0

    def judge(self, returning: float) -> Judge:
        """What judges single transactions, with the `returning_rate` of the model."""
        return Judge(
            Scale.of((*self.features, self.combined)),
            self.persistence.knots,
            self.persistence.half_life,
            self.zero,
            self.decade,
            returning,
        )


NOTHING_FITTED = Judge(Scale(np.zeros((1, 5)), np.zeros((1, 1))), np.zeros((2, 1)), 1.0, 0.0, 1.0, 0.0)
"""For rows that are only measured and learnt."""


def fitted_tables(rows: InputColumns, population: Population) -> tuple[Tables, dict[str, float]]:
    """Tables fitted on a history in order of time, and figures of the fit for people.

    The first look believes nothing but the body of each feature, or many anomalies would hide each other. Tables are
    fitted without the rows it finds, and once more without those that are then as good as sure; but for what rarities
    are worth, which all rows tell.
    """
    left_out = np.zeros(len(rows), bool)
    measured = _replay(rows, population, left_out)
    tables, rarities = _valued(measured, left_out, body=True)
    left_out = rarities >= tables.worth.bar_of(LIKELY)
    measured = _replay(rows, population, left_out)
    tables, rarities = _valued(measured, left_out)
    left_out = rarities >= tables.worth.bar_of(SURE)
    tables, _ = _valued(measured, left_out, now=True)
    figures = {
        "left_out": float(left_out.mean()),
        "anomalous": tables.worth.anomalous,
        "known": float(measured.mature.mean()),
    }
    return tables, figures


def _valued(
    measured: "_Measured", left_out: NDArray[np.bool_], *, body: bool = False, now: bool = False
) -> tuple[Tables, NDArray[np.float64]]:
    """Tables fitted without the rows that are left out, and every row's rarity, shape (n,).

    `now`: what rarities are worth is told by the newest rows, as far back as they are alike.
    """
    features, combined, bases = _calibrated(measured, left_out, body=body)
    used = measured.mature
    persistence, memories = Persistence.fit(measured.past, bases, used)
    knots = persistence.knots
    totals = np.array([raised(base, lift_after(memory, knots)) for base, memory in zip(bases, memories, strict=True)])
    telling = totals[used]
    if now:
        telling = telling[-lately(telling) :]
    null = fitted(telling)
    worth = Worth.fit(null.rarities(telling), null)
    rarities = null.rarities(totals)
    reference = Reference.fit(np.column_stack((measured.values, rarities))[used])
    anomalous = float(left_out.mean())
    return Tables(features, combined, persistence, null.zero, null.decade, worth, anomalous, reference), rarities


class _Measured(NamedTuple):
    """A replayed history: feature values, shape (n, n_features); whose the rows are and when they were; and
    whether the user was known well enough for the row to help to calibrate."""

    values: NDArray[np.float64]
    past: Past
    mature: NDArray[np.bool_]


def _replay(rows: InputColumns, population: Population, left_out: NDArray[np.bool_]) -> _Measured:
    """Score-before-learn over history; rows left out teach no habits."""
    states = States(rows.of.user.distinct, {}, {})
    found = passed(rows, states, population, population.usual(), NOTHING_FITTED, None, left_out)
    known, gaps = found.seen, found.expected[:, Expectation._fields.index("gap")]
    mature = known >= WARMED_UP
    if mature.sum() < 500:
        mature = known >= min(2, int(known.max()))
    return _Measured(found.values, Past(rows.of.user.places, rows.of.time, gaps.copy()), mature)


def _calibrated(
    measured: _Measured, left_out: NDArray[np.bool_], *, body: bool = False
) -> tuple[tuple[Calibration, ...], Calibration, NDArray[np.float64]]:
    """Calibrations of the features and of their norm, fitted on mature rows that are not left out; and every row's
    rarity before memory, shape (n,)."""
    ordinary = measured.mature & ~left_out
    features = tuple(
        Calibration.fit(
            measured.values[ordinary, column],
            feature.floor,
            decades=feature.decades,
            heaviest=feature.heaviest,
            bulk=USUAL,
            body=body,
        )
        for column, feature in enumerate(FEATURES)
    )
    squares = np.zeros(len(left_out))
    for column, (table, weight) in enumerate(zip(features, WEIGHTS, strict=True)):
        squares += weight * table.rarities(measured.values[:, column]) ** 2
    norms = np.sqrt(squares)
    combined = Calibration.of_body(norms[ordinary], 0.1)
    return features, combined, combined.rarities(norms)
