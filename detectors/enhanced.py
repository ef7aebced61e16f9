"""The enhanced detector: per-user habits, calibrated globally, combined by squares.

Each feature compares a transaction with its user's running state, shrunk to the population; its rarity is read
off history; the rarities' squares are summed, and a user's recent suspicion adds as much as history shows that it
is worth. What a model fits (population, calibration tables, the common bar) is frozen; what moves with each event
is one `UserState`.
"""

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from math import sqrt
from typing import NamedTuple

import msgspec

from detectors.calibration import Squares
from detectors.drift import SAMPLED, Sample
from detectors.features import FEATURES, Expectation, expectation, measure
from detectors.feedback import NO_FEEDBACK, Feedback
from detectors.fitting import WARMED_UP, WEIGHTS, Tables, fitted_tables
from detectors.inputs import Inputs, inputs_of
from detectors.learning import learn
from detectors.memory import decayed, fed, raised
from detectors.population import Population
from detectors.reasons import brief, full, named, spared
from detectors.scale import public_score, rarity_of_rate
from detectors.sentences import Situation
from detectors.state import UserState
from detectors.threshold import moved, returning_rate
from domain.transaction import Transaction
from domain.verdict import Severity, Verdict


class _Parameters(msgspec.Struct, frozen=True):
    version: str
    alert_rate: float
    population: Population
    tables: Tables | None = None
    figures: dict[str, float] = {}


COLUMNS = (*(feature.name for feature in FEATURES), "score")
"""What drift is measured of."""


class Suspicion(NamedTuple):
    """What a score is made of. Rarities are -log10 of tail probabilities."""

    values: list[float]
    """The values of `FEATURES`."""
    shares: list[float]
    """Each feature's share of `squares`, in the order of `FEATURES`."""
    squares: float
    """The weighted sum of the features' squared rarities."""
    own: float
    """The rarity of the transaction alone."""
    memory: float
    """How suspicious the user's earlier transactions were, faded until now."""
    raised: float
    """Both together."""
    rarity: float
    """How rare that is in history; the score is this on its public scale."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Parameters).decode


class EnhancedModel:
    """An immutable enhanced detector; make one with `fit`, `warming` or `from_bytes`."""

    def __init__(self, parameters: _Parameters) -> None:
        self._parameters = parameters
        tables = parameters.tables
        self._bar = tables.bar if tables else rarity_of_rate(parameters.alert_rate)
        self._returning = returning_rate(tables.anomalous) if tables else 0.0
        self._squares = Squares(tables.features if tables else (), WEIGHTS if tables else ())
        self._sample = Sample(tables.reference if tables else None, COLUMNS)

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
        rows = inputs_of(history)
        population = Population.fit(rows)
        tables, figures = fitted_tables(rows, population, alert_rate)
        return cls(_Parameters(version, alert_rate, population, tables, figures))

    @property
    def version(self) -> str:
        """The model version its verdicts carry."""
        return self._parameters.version

    @property
    def tables(self) -> Tables | None:
        """What was fitted; None while warming up."""
        return self._parameters.tables

    @property
    def population(self) -> Population:
        """What users without habits of their own are measured against."""
        return self._parameters.population

    @property
    def figures(self) -> dict[str, float]:
        """What the fit found: shares of history left out as anomalies and of users known well, and the common bar."""
        return self._parameters.figures

    def drift(self) -> dict[str, float]:
        """The population stability index of each feature and of the score, by name; empty before enough was scored.

        The hour is left out: the hours of any short while are not those of history.
        """
        return {name: psi for name, psi in self._sample.drift().items() if name != "hour"}

    def threshold(self, user: str, state: UserState, feedback: Feedback = NO_FEEDBACK) -> float:
        """The score from which this user's next transaction is flagged."""
        return public_score(self._budget(user, feedback)[0] + state.bar)

    def _budget(self, user: str, feedback: Feedback) -> tuple[float, float]:
        """The bar before the user's own habits move it, in units of rarity, and the alert rate it stands for."""
        usual = self._parameters.alert_rate
        rate = feedback.alert_rates.get(user, usual)
        return (self._bar, usual) if rate == usual else (self._bar + rarity_of_rate(rate) - rarity_of_rate(usual), rate)

    def to_bytes(self) -> bytes:
        """The model as msgpack."""
        return _encode(self._parameters)

    @staticmethod
    def from_bytes(encoded: bytes) -> "EnhancedModel":
        """The model of `to_bytes`. Raises: msgspec.DecodeError."""
        return EnhancedModel(_decode(encoded))

    def score(
        self,
        transactions: Sequence[Transaction],
        states: dict[str, UserState],
        *,
        rows: Sequence[Inputs] | None = None,
        feedback: Feedback = NO_FEEDBACK,
    ) -> list[Verdict]:
        """One verdict each, in order; every transaction is scored before its user's state learns it.

        `rows` are the transactions' `inputs_of` where the caller has them already. `states` holds the users' states by
        user id; it gains an entry for each user it lacks and its states are changed in place. A verdict depends on
        the model, its own user's state and the feedback only; of the feedback, states learn by alert rates alone.
        """
        verdicts = []
        population, tables = self._parameters.population, self._parameters.tables
        for transaction, row in zip(transactions, rows or inputs_of(transactions), strict=True):
            state = states.get(row.user)
            if state is None:
                state = states[row.user] = UserState()
            expected = expectation(row, state, population)
            if tables is None:
                verdict, suspicious = self._unscored, False
            else:
                found = self.suspicion(tables, row, state, expected)
                if state.seen % SAMPLED == 0 and state.seen >= WARMED_UP:
                    self._sample.add([*found.values, found.rarity])
                verdict, suspicious = self._judge(tables, found, transaction, row, state, expected, feedback)
            verdicts.append(verdict)
            learn(row, state, expected, suspicious)
        return verdicts

    def judge(self, transaction: Transaction, state: UserState, feedback: Feedback = NO_FEEDBACK) -> Verdict:
        """The verdict that a transaction would have; neither the state nor the measure of drift moves."""
        tables = self._parameters.tables
        if tables is None:
            return self._unscored
        (row,) = inputs_of([transaction])
        expected = expectation(row, state, self._parameters.population)
        found = self.suspicion(tables, row, state, expected)
        verdict, _ = self._judge(tables, found, transaction, row, copy(state), expected, feedback)
        return verdict

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

    def suspicion(self, tables: Tables, row: Inputs, state: UserState, expected: Expectation) -> Suspicion:
        """How suspicious a transaction is before feedback."""
        values = measure(row, state, self._parameters.population, expected)
        shares = self._squares.of(values)
        squares = sum(shares)
        own = tables.combined.rarity(sqrt(squares))
        memory = state.memory
        if memory:
            memory = decayed(memory, row.time - state.last_time, expected.gap)
        both = raised(own, tables.persistence.of(memory)) if memory else own
        return Suspicion(values, shares, squares, own, memory, both, tables.rarity(both))

    def _judge(
        self,
        tables: Tables,
        found: Suspicion,
        transaction: Transaction,
        row: Inputs,
        state: UserState,
        expected: Expectation,
        feedback: Feedback,
    ) -> tuple[Verdict, bool]:
        """The verdict, and whether it would be flagged without feedback; moves the user's memory and bar past it.

        The habits are left to `learn`.
        """
        rarity = found.rarity
        common, rate = self._budget(row.user, feedback)
        bar = common + state.bar
        suspicious = rarity >= bar
        state.memory = fed(found.memory, found.own)
        state.bar = moved(state.bar, common, rarity, rate, self._returning)

        lift = feedback.lifts.get(row.merchant or "", 0.0) if feedback.lifts else 0.0
        if lift:
            rarity = tables.rarity(found.raised + lift)
        worth = found.squares / found.own if found.own > 0.0 else 1.0
        shares = [*found.shares, worth * (found.raised - found.own), worth * lift]
        score, threshold = public_score(rarity), public_score(bar)
        tolerance = None
        if score >= threshold and row.user in feedback.tolerated:
            tolerance = feedback.strongest(row.user, row.time, named(shares))
        if tolerance is not None:
            threshold = public_score(bar + tolerance.rise)
        flagged = score >= threshold
        if score >= 0.5 or flagged or tolerance is not None:
            situation = Situation(transaction, row, state, expected, self._parameters.population)
            reasons = full(score, shares, situation, feedback)
            if tolerance is not None:
                reasons = (*reasons, spared(tolerance, public_score(bar), threshold))
        else:
            reasons = brief(score, shares)
        verdict = Verdict(
            detector="enhanced",
            score=score,
            threshold=threshold,
            flagged=flagged,
            severity=Severity.of(score),
            model_version=self._parameters.version,
            reasons=reasons,
        )
        return verdict, suspicious
