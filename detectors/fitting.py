"""Fitting the enhanced detector: what history says of features, of their sum, and of the bar for all."""

from collections.abc import Sequence
from math import log10
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.calibration import Calibration
from detectors.drift import Reference
from detectors.features import FEATURES, expectation, measure
from detectors.inputs import Inputs
from detectors.learning import learn
from detectors.memory import Persistence, raised, replayed
from detectors.population import Population
from detectors.scale import rarity_of_rate
from detectors.state import UserState
from detectors.threshold import fitted_base

FORMAT = 3
"""Written beside each stored model of either detector; one of another format is not used but fitted again."""

WARMED_UP = 10
"""Transactions a user must have before the features of that user help to calibrate a model."""

USUAL = 0.5
"""Half of history is usual in each feature, and adds nothing to a score."""

FENCE = 0.01
"""The tail probability beyond which history is looked at for a surplus of anomalies. With a rarer one half of them
would stay in the body, whose line would then call ordinary rows less rare than they are."""

BEND = 1.4
"""The power of suspicion that log survival is proportional to. A sum of squared normals would have 2, an exponential
1; with 1.4 the half per cent that is foretold is .6 % of simulated traffic without anomalies, .3 % of Sparkov's."""

HELD_OUT, ENOUGH_ALERTS = 1 / 3, 8
"""The newest part of history, on which the bar is tried, and how many alerts it must have to be of use."""

WEIGHTS = [feature.weight for feature in FEATURES]


class Tables(msgspec.Struct, frozen=True):
    """What was fitted: a calibration of each feature, of their norm and of the final suspicion, whose bent total begins
    at `origin`; the worth of memory; the bar for all in units of rarity; the share of history that was left out as
    anomalies; and what drift is measured against."""

    features: tuple[Calibration, ...]
    combined: Calibration
    persistence: Persistence
    origin: float
    final: Calibration
    bar: float
    anomalous: float
    reference: Reference

    def rarity(self, total: float) -> float:
        """The rarity of a user's suspicion, earlier one and a merchant's included."""
        return self.final.rarity((total - self.origin) ** BEND) if total > self.origin else 0.0


def fitted_tables(rows: Sequence[Inputs], population: Population, alert_rate: float) -> tuple[Tables, dict[str, float]]:
    """Tables fitted on a history in order of time, and figures of the fit for people.

    Two passes find the rows beyond what the body of history foretells; the third is fitted without them. The bar is
    the one that would have met the budget on the newest part of history with tables fitted on what came before.
    """
    left_out = np.zeros(len(rows), bool)
    for _ in range(2):
        measured = _replay(rows, population, left_out)
        tables, suspicion = _calibrated(measured, left_out, measured.mature)
        left_out = _surplus(suspicion.bases, measured.mature)
    tables, _ = _calibrated(measured, left_out, measured.mature)
    bar = _foretold_bar(rows, left_out, alert_rate)
    anomalous = float(left_out.mean())
    figures = {"left_out": anomalous, "bar": bar, "known": float(measured.mature.mean())}
    return msgspec.structs.replace(tables, bar=bar, anomalous=anomalous), figures


def _foretold_bar(rows: Sequence[Inputs], left_out: NDArray[np.bool_], alert_rate: float) -> float:
    """The bar for all, found on rows that the tables it is tried with have not seen; the fixed one for want of rows."""
    early = round(len(rows) * (1.0 - HELD_OUT))
    if (len(rows) - early) * alert_rate < ENOUGH_ALERTS:
        return rarity_of_rate(alert_rate)
    measured = _replay(rows, Population.fit(rows[:early]), left_out)
    newest = np.arange(len(rows)) >= early
    _, suspicion = _calibrated(measured, left_out, measured.mature & ~newest)
    return fitted_base(measured.users, suspicion.rarities, measured.mature & newest, left_out, alert_rate)


class _Measured(NamedTuple):
    """A replayed history: feature values, shape (n, n_features); users; times and usual gaps in seconds; and
    whether the user was known well enough for the row to help to calibrate."""

    values: NDArray[np.float64]
    users: list[str]
    times: list[float]
    gaps: list[float]
    mature: NDArray[np.bool_]


def _replay(rows: Sequence[Inputs], population: Population, left_out: NDArray[np.bool_]) -> _Measured:
    """Score-before-learn over history; rows left out teach no habits."""
    states: dict[str, UserState] = {}
    values, seen, gaps = [], [], []
    for row, suspicious in zip(rows, left_out.tolist(), strict=True):
        state = states.get(row.user)
        if state is None:
            state = states[row.user] = UserState()
        expected = expectation(row, state, population)
        values.append(measure(row, state, population, expected))
        seen.append(state.seen)
        gaps.append(expected.gap)
        learn(row, state, expected, suspicious)
    known = np.array(seen)
    mature = known >= WARMED_UP
    if mature.sum() < 500:
        mature = known >= min(2, int(known.max()))
    return _Measured(np.array(values), [row.user for row in rows], [row.time for row in rows], gaps, mature)


class _Suspicion(NamedTuple):
    """Every row's rarity before memory and after it, shape (n,)."""

    bases: NDArray[np.float64]
    rarities: NDArray[np.float64]


def _calibrated(measured: _Measured, left_out: NDArray[np.bool_], used: NDArray[np.bool_]) -> tuple[Tables, _Suspicion]:
    """Tables fitted on the rows that are `used` and not left out, and what all rows come to."""
    ordinary = used & ~left_out
    features = tuple(
        Calibration.fit(
            measured.values[ordinary, column],
            feature.floor,
            decades=feature.decades,
            heaviest=feature.heaviest,
            bulk=USUAL,
        )
        for column, feature in enumerate(FEATURES)
    )
    squares = np.zeros(len(used))
    for column, (table, weight) in enumerate(zip(features, WEIGHTS, strict=True)):
        squares += weight * table.rarities(measured.values[:, column]) ** 2
    norms = np.sqrt(squares)
    combined = Calibration.of_body(norms[ordinary], 0.1)
    bases = combined.rarities(norms)
    memories, apart = replayed(measured.users, measured.times, measured.gaps, bases.tolist())
    persistence = Persistence.fit(memories[used & apart], bases[used & apart])
    totals = np.array([raised(base, persistence.of(memory)) for base, memory in zip(bases, memories, strict=True)])
    # The total at which the line of `combined` says that nothing is odd at all.
    origin = combined.at_upper - combined.upper * combined.tail
    bent = np.maximum(totals - origin, 0.0) ** BEND
    final = Calibration.through_origin(bent[ordinary])
    rarities = final.rarities(bent)
    reference = Reference.fit(np.column_stack((measured.values, rarities))[used])
    return Tables(features, combined, persistence, origin, final, 0.0, 0.0, reference), _Suspicion(bases, rarities)


def _surplus(bases: NDArray[np.float64], mature: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rows beyond what the body of history foretells: anomalies, from which nothing is to be learnt.

    Of the rows rarer than `FENCE`, as many as that share is are kept, the least extreme ones.
    """
    beyond = np.flatnonzero(mature & (bases > -log10(FENCE)))
    expected = round(FENCE * int(mature.sum()))
    left_out = np.zeros(len(bases), bool)
    left_out[beyond[np.argsort(bases[beyond], kind="stable")][expected:]] = True
    return left_out
