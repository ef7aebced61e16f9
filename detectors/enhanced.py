"""The enhanced detector: per-user habits, calibrated globally, combined by squares.

Each feature compares a transaction with its user's running state, shrunk to the population; its rarity is read
off history; the rarities' squares are summed, and a user's recent suspicion adds as much as history shows that it
is worth. What a model fits (population, calibration tables, the common bar) is frozen; what moves with each event
is one `UserState`.
"""

from collections.abc import Sequence
from functools import cached_property
from math import log10, sqrt
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.calibration import Calibration, Squares
from detectors.features import FEATURES, Expectation, expectation, measure
from detectors.learning import learn
from detectors.memory import Persistence, decayed, fed, raised, replayed
from detectors.population import Population
from detectors.reasons import brief, full
from detectors.row import Row, rows_of
from detectors.scale import public_score, rarity_of_rate
from detectors.state import UserState
from detectors.threshold import fitted_base, moved
from domain.transaction import Transaction
from domain.verdict import Severity, Verdict

WARMED_UP = 10
"""Transactions a user must have before the features of that user help to calibrate a model."""

USUAL = 0.5
"""Half of history is usual in each feature, and adds nothing to a score."""

FENCE = 0.001
"""The tail probability beyond which history is looked at for a surplus of anomalies."""


BEND = 1.4
"""The power of suspicion that log survival is proportional to. A sum of squared normals would have 2, an exponential
1; with 1.4 the half per cent that is foretold is .6 % of simulated traffic without anomalies, .3 % of Sparkov's."""


class _Tables(msgspec.Struct, frozen=True):
    features: tuple[Calibration, ...]
    combined: Calibration
    persistence: Persistence
    origin: float
    final: Calibration
    bar: float


class _Parameters(msgspec.Struct, frozen=True):
    version: str
    alert_rate: float
    population: Population
    tables: _Tables | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Parameters).decode


class EnhancedModel:
    """An immutable enhanced detector; make one with `fit`, `warming` or `from_bytes`."""

    def __init__(self, parameters: _Parameters) -> None:
        self._parameters = parameters
        tables = parameters.tables
        self._bar = tables.bar if tables else rarity_of_rate(parameters.alert_rate)
        self._squares = Squares(tables.features if tables else (), _WEIGHTS if tables else ())

    @classmethod
    def warming(cls) -> "EnhancedModel":
        """The detector before there is any history: it learns habits, scores 0 and never flags."""
        return cls(_Parameters("warming", 0.005, Population.fit(())))

    @classmethod
    def fit(
        cls, history: Sequence[Transaction], *, version: str, alert_rate: float = 0.005, seed: int = 0
    ) -> "EnhancedModel":
        """Fit population and calibration on stored history, without labels.

        `history` is in order of (timestamp, transaction_id); 1,000 rows make a usable model. `alert_rate` is
        the share of ordinary transactions to flag. Nothing here is random: `seed` is taken so that both
        detectors are fitted alike. Raises: ValueError for an empty history.
        """
        if not history:
            raise ValueError("an enhanced model needs at least one transaction of history")
        rows = rows_of(history)
        population = Population.fit(rows)
        left_out = np.zeros(len(rows), bool)
        for _ in range(2):
            measured = _replay(rows, population, left_out)
            _, bases = _calibrated(measured, left_out, alert_rate)
            left_out = _surplus(bases, measured.mature)
        tables, _ = _calibrated(measured, left_out, alert_rate)
        return cls(_Parameters(version, alert_rate, population, tables))

    @property
    def version(self) -> str:
        """The model version its verdicts carry."""
        return self._parameters.version

    @property
    def population(self) -> Population:
        """What users without habits of their own are measured against."""
        return self._parameters.population

    def threshold(self, state: UserState) -> float:
        """The score from which this user's next transaction is flagged."""
        return public_score(self._bar + state.bar)

    def to_bytes(self) -> bytes:
        """The model as msgpack."""
        return _encode(self._parameters)

    @staticmethod
    def from_bytes(encoded: bytes) -> "EnhancedModel":
        """The model of `to_bytes`. Raises: msgspec.DecodeError."""
        return EnhancedModel(_decode(encoded))

    def score(
        self, transactions: Sequence[Transaction], states: dict[str, UserState], *, rows: Sequence[Row] | None = None
    ) -> list[Verdict]:
        """One verdict each, in order; every transaction is scored before its user's state learns it.

        `rows` are the `rows_of` the transactions, for who has them already. `states` holds the users' states by
        user id; it gains an entry for each user it lacks and its states are changed in place. A verdict depends on
        the model and its own user's state only.
        """
        verdicts = []
        population, tables = self._parameters.population, self._parameters.tables
        for transaction, row in zip(transactions, rows or rows_of(transactions), strict=True):
            state = states.get(row.user)
            if state is None:
                state = states[row.user] = UserState()
            expected = expectation(row, state, population)
            verdict = self._unscored if tables is None else self._judge(tables, transaction, row, state, expected)
            verdicts.append(verdict)
            learn(row, state, expected, verdict.flagged)
        return verdicts

    @cached_property
    def _unscored(self) -> Verdict:
        return Verdict(
            detector="enhanced",
            score=0.0,
            threshold=public_score(self._bar),
            flagged=False,
            severity=Severity.NORMAL,
            model_version=self.version,
            status="warming",
        )

    def _judge(
        self, tables: _Tables, transaction: Transaction, row: Row, state: UserState, expected: Expectation
    ) -> Verdict:
        """The verdict, with the user's memory and bar moved past it; the habits are left to `learn`."""
        shares = self._squares.of(measure(row, state, self._parameters.population, expected))
        squares = sum(shares)
        base = tables.combined.rarity(sqrt(squares))
        memory = state.memory
        if memory:
            memory = decayed(memory, row.time - state.last_time, expected.gap)
        total = raised(base, tables.persistence.of(memory)) if memory else base
        rarity = tables.final.rarity((total - tables.origin) ** BEND) if total > tables.origin else 0.0
        score = public_score(rarity)
        threshold = public_score(self._bar + state.bar)
        flagged = score >= threshold
        shares.append(squares * (total - base) / base if base > 0.0 else total)
        if flagged or score >= 0.5:
            reasons = full(score, shares, row, f"{transaction.amount:,.2f}", state, expected)
        else:
            reasons = brief(score, shares)
        state.memory = fed(memory, base)
        state.bar = moved(state.bar, self._bar, rarity, self._parameters.alert_rate)
        return Verdict(
            detector="enhanced",
            score=score,
            threshold=threshold,
            flagged=flagged,
            severity=Severity.of(score),
            model_version=self._parameters.version,
            reasons=reasons,
        )


_WEIGHTS = [feature.weight for feature in FEATURES]


class _Measured(NamedTuple):
    """A replayed history: feature values, shape (n, n_features); users; times and usual gaps in seconds; and
    whether the user was known well enough for the row to help to calibrate."""

    values: NDArray[np.float64]
    users: list[str]
    times: list[float]
    gaps: list[float]
    mature: NDArray[np.bool_]


def _replay(rows: list[Row], population: Population, left_out: NDArray[np.bool_]) -> _Measured:
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


def _calibrated(
    measured: _Measured, left_out: NDArray[np.bool_], alert_rate: float
) -> tuple[_Tables, NDArray[np.float64]]:
    """Tables fitted on the rows that are not left out, and every row's base rarity under them."""
    mature = measured.mature
    features = tuple(
        Calibration.fit(
            measured.values[mature & ~left_out, column],
            feature.floor,
            decades=feature.decades,
            heaviest=feature.heaviest,
            bulk=USUAL,
        )
        for column, feature in enumerate(FEATURES)
    )
    squares = np.zeros(len(mature))
    for column, (table, weight) in enumerate(zip(features, _WEIGHTS, strict=True)):
        squares += weight * table.rarities(measured.values[:, column]) ** 2
    norms = np.sqrt(squares)
    combined = Calibration.of_body(norms[mature], 0.1)
    bases = combined.rarities(norms)
    memories, apart = replayed(measured.users, measured.times, measured.gaps, bases.tolist())
    persistence = Persistence.fit(memories[mature & apart], bases[mature & apart])
    totals = np.array([raised(base, persistence.of(memory)) for base, memory in zip(bases, memories, strict=True)])
    # The total at which the line of `combined` says that nothing is odd at all.
    origin = combined.at_upper - combined.upper * combined.tail
    bent = np.maximum(totals - origin, 0.0) ** BEND
    final = Calibration.through_origin(bent[mature])
    bar = fitted_base(measured.users, final.rarities(bent), mature, left_out, alert_rate)
    return _Tables(features, combined, persistence, origin, final, bar), bases


def _surplus(bases: NDArray[np.float64], mature: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rows beyond what the body of history foretells: anomalies, from which nothing is to be learnt.

    Of the rows rarer than `FENCE`, as many as that share is are kept, the least extreme ones.
    """
    beyond = np.flatnonzero(mature & (bases > -log10(FENCE)))
    expected = round(FENCE * int(mature.sum()))
    left_out = np.zeros(len(bases), bool)
    left_out[beyond[np.argsort(bases[beyond], kind="stable")][expected:]] = True
    return left_out
