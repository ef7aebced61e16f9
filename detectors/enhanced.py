"""The enhanced detector: per-user habits, calibrated globally, combined by squares.

Each feature compares a transaction with its user's running state, shrunk to the population; its rarity is read
off history; the rarities' squares are summed, and a user's recent suspicion adds to the sum. What a model
fits (population and calibration tables) is frozen; what moves with each event is one `UserState`.
"""

from collections.abc import Sequence
from functools import cached_property

import msgspec
import numpy as np

from detectors.calibration import Calibration
from detectors.features import FEATURES, MISSING, Expectation, expectation, learn, measure
from detectors.population import DAY, Population
from detectors.reasons import brief, full
from detectors.row import Row, rows_of
from detectors.scale import public_score, rarity_of_rate
from detectors.state import UserState
from domain.transaction import Transaction
from domain.verdict import Severity, Verdict

WARMED_UP = 10
"""Transactions a user must have before the features of that user help to calibrate a model."""

MEMORY_FLOOR, MEMORY_STEP = 1.5, 4.0
BAR_STEP, BAR_LOW, BAR_HIGH = 0.25, -0.5, 100.0
"""How far a flag raises its user's threshold, in units of rarity, and the limits of that; a transaction that is
not flagged lowers it by the alert rate's share of the step. Source: Gibbs and Candès, "Adaptive conformal
inference under distribution shift", NeurIPS 2021: in the long run each user is flagged at the alert rate,
wherever the user's habits have moved."""

BAR_CHASE, BAR_DECAY = 0.1, 0.01
"""Beyond the source: a raised threshold also follows a tenth of the excess (of at most 10), so that a user who
moved for good is learnt again within weeks, and loses a hundredth with each transaction that is not flagged."""


class _Parameters(msgspec.Struct, frozen=True):
    version: str
    alert_rate: float
    population: Population
    features: tuple[Calibration, ...] = ()
    combined: Calibration | None = None
    memory: Calibration | None = None
    final: Calibration | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Parameters).decode


class EnhancedModel:
    """An immutable enhanced detector; make one with `fit`, `warming` or `from_bytes`."""

    def __init__(self, parameters: _Parameters) -> None:
        self._parameters = parameters
        self._bar = rarity_of_rate(parameters.alert_rate)

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
        values, seen = _replay(rows, population)
        mature = seen >= WARMED_UP
        if mature.sum() < 500:
            mature = seen >= min(2, int(seen.max()))
        features = tuple(
            Calibration.fit(values[mature, column], feature.floor) for column, feature in enumerate(FEATURES)
        )
        sums = np.array([_sum_of_squares(_rarities(features, row)) for row in values.tolist()])
        combined = Calibration.fit(sums[mature], 1.0)
        bases = [combined.rarity(value) for value in sums.tolist()]
        memories = _replay_memory(rows, bases)
        memory = Calibration.fit(memories[mature], 0.5)
        totals = np.array([_total(base, memory.rarity(m)) for base, m in zip(bases, memories.tolist(), strict=True)])
        final = Calibration.fit(totals[mature], 0.3)
        return cls(_Parameters(version, alert_rate, population, features, combined, memory, final))

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

    def score(self, transactions: Sequence[Transaction], states: dict[str, UserState]) -> list[Verdict]:
        """One verdict each, in order; every transaction is scored before its user's state learns it.

        `states` holds the users' states by user id; it gains an entry for each user it lacks and its states
        are changed in place. A verdict depends on the model and its own user's state only.
        """
        verdicts = []
        warming = self._parameters.final is None
        for transaction, row in zip(transactions, rows_of(transactions), strict=True):
            state = states.get(row.user)
            if state is None:
                state = states[row.user] = UserState()
            expected = expectation(row, state, self._parameters.population)
            if warming:
                verdicts.append(self._unscored)
                learn(row, state, expected, False)
            else:
                verdicts.append(self._score_one(transaction, row, state, expected))
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

    def _score_one(self, transaction: Transaction, row: Row, state: UserState, expected: Expectation) -> Verdict:
        parameters = self._parameters
        assert parameters.combined is not None
        assert parameters.memory is not None
        assert parameters.final is not None
        rarities = _rarities(parameters.features, measure(row, state, parameters.population, expected))
        shares = [weight * rarity * rarity for weight, rarity in zip(_WEIGHTS, rarities, strict=True)]
        base = parameters.combined.rarity(sum(shares))
        decayed = _decayed(state.memory, row.time - state.last_time)
        echo = parameters.memory.rarity(decayed)
        total = _total(base, echo)
        rarity = parameters.final.rarity(total)
        score = public_score(rarity)
        threshold = public_score(self._bar + state.bar)
        flagged = score >= threshold
        shares.append(sum(shares) * (total - base) / base if base > 0.0 else total)
        if flagged or score >= 0.5:
            reasons = full(score, shares, row, f"{transaction.amount:,.2f}", state, expected)
        else:
            reasons = brief(score, shares)
        verdict = Verdict(
            detector="enhanced",
            score=score,
            threshold=threshold,
            flagged=flagged,
            severity=Severity.of(score),
            model_version=parameters.version,
            reasons=reasons,
        )
        state.memory = _fed(decayed, base)
        state.bar = self._moved(state.bar, rarity, flagged)
        learn(row, state, expected, flagged)
        return verdict

    def _moved(self, bar: float, rarity: float, flagged: bool) -> float:
        """The user's bar after a transaction of this rarity."""
        rate = self._parameters.alert_rate
        if flagged:
            excess = min(rarity - self._bar - bar, 10.0)
            return min(bar + BAR_STEP * (1.0 - rate) + BAR_CHASE * excess, BAR_HIGH)
        return max(bar - BAR_STEP * rate - BAR_DECAY * max(bar, 0.0), BAR_LOW)


_WEIGHTS = [feature.weight for feature in FEATURES]


def _rarities(calibrations: tuple[Calibration, ...], values: list[float]) -> list[float]:
    return [
        calibration.rarity(value) if value > MISSING else 0.0
        for calibration, value in zip(calibrations, values, strict=True)
    ]


def _sum_of_squares(rarities: list[float]) -> float:
    return sum([weight * rarity * rarity for weight, rarity in zip(_WEIGHTS, rarities, strict=True)])


def _total(base: float, echo: float) -> float:
    return base + 0.5 * echo


def _decayed(memory: float, elapsed: float) -> float:
    """Suspicion with a half-life of a day; an event that comes late finds it as it is."""
    return memory * 2.0 ** (-elapsed / DAY) if elapsed > 0.0 else memory


def _fed(memory: float, base: float) -> float:
    return memory + min(max(base - MEMORY_FLOOR, 0.0), MEMORY_STEP)


def _replay(rows: list[Row], population: Population) -> tuple[np.ndarray, np.ndarray]:
    """Feature values, shape (n, n_features), and how many transactions each row's user had before it."""
    states: dict[str, UserState] = {}
    values, seen = [], []
    for row in rows:
        state = states.get(row.user)
        if state is None:
            state = states[row.user] = UserState()
        expected = expectation(row, state, population)
        values.append(measure(row, state, population, expected))
        seen.append(state.seen)
        learn(row, state, expected, False)
    return np.array(values), np.array(seen)


def _replay_memory(rows: list[Row], bases: list[float]) -> np.ndarray:
    memory: dict[str, tuple[float, float]] = {}
    found = []
    for row, base in zip(rows, bases, strict=True):
        before, time = memory.get(row.user, (0.0, row.time))
        decayed = _decayed(before, row.time - time)
        found.append(decayed)
        memory[row.user] = _fed(decayed, base), row.time
    return np.array(found)
