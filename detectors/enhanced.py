"""The enhanced detector: per-user habits, calibrated globally, combined by squares.

Each feature compares a transaction with its user's running state, shrunk to the population; its rarity is read
off history; the rarities' squares are summed, and a user's recent suspicion adds as much as history shows that it
is worth. The score is the estimate of how likely the transaction is anomalous. What a model fits (population,
calibration tables, what rarities are worth) is frozen; what moves with each event is one `UserState`.
"""

from collections.abc import Sequence
from math import inf, nan
from typing import NamedTuple

import msgspec
import numpy as np

from detectors.drift import SAMPLED, Sample
from detectors.features import FEATURES, Expectation
from detectors.feedback import NO_FEEDBACK, Feedback
from detectors.fitting import NOTHING_FITTED, WARMED_UP, Tables, fitted_tables
from detectors.inputs import InputColumns, Inputs, inputs_of
from detectors.policy import USUAL_POLICY, Policy
from detectors.population import Population
from detectors.reasons import MEMORY_INDEX, RISK_INDEX, adjusted, brief, full, named, spared
from detectors.sentences import Situation
from detectors.state import States, UserState
from detectors.stream import Bars, Found, passed
from detectors.threshold import returning_rate
from detectors.verdicts import Verdicts
from detectors.worth import FIRST, Labels, Worth, log_odds, of_log_odds
from domain.transaction import Transaction
from domain.verdict import Severity, Verdict


class _Parameters(msgspec.Struct, frozen=True):
    version: str
    policy: Policy
    population: Population
    tables: Tables | None = None
    figures: dict[str, float] = {}


COLUMNS = (*(feature.name for feature in FEATURES), "score")
"""What drift is measured of."""


TOLD_FROM = 1.7
"""The rarity from which reasons are told in sentences: the oddest fiftieth of ordinary traffic."""


class _Bar(NamedTuple):
    """What one user's transactions are judged by: the bar before the user's own habits move it, the alert rate it
    stands for, None where alerts are valued, and by how much analysts' decisions raise it."""

    common: float
    rate: float | None
    lifted: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Parameters).decode


class EnhancedModel:
    """An immutable enhanced detector; make one with `fit`, `warming` or `from_bytes`."""

    def __init__(self, parameters: _Parameters) -> None:
        self._parameters = parameters
        tables = parameters.tables
        self._judge = tables.judge(returning_rate(tables.anomalous)) if tables else NOTHING_FITTED
        self._usual = parameters.population.usual()
        self._valued = tables.worth.bar(parameters.policy.alerts_wrong) if tables else FIRST
        self._labels: tuple[Labels, ...] = ()
        self._corrected = (tables.worth, self._valued) if tables else None
        self.sample = Sample(tables.reference if tables else None, COLUMNS)

    @classmethod
    def warming(cls) -> "EnhancedModel":
        """The detector before there is any history: it learns habits, scores 0 and never flags."""
        return cls(_Parameters("warming", USUAL_POLICY, Population.fit(inputs_of(()))))

    @classmethod
    def fit(
        cls,
        history: Sequence[Transaction],
        *,
        version: str,
        policy: Policy = USUAL_POLICY,
        seed: int = 0,
    ) -> "EnhancedModel":
        """Fit population, calibration and worth on stored history, without labels.

        `history` is in order of (timestamp, transaction_id); 1,000 rows make a usable model. `policy` says
        what may be flagged. Nothing here is random: `seed` is taken so that both detectors are fitted alike.
        Raises: ValueError for an empty history.
        """
        if not history:
            raise ValueError("an enhanced model needs at least one transaction of history")
        rows = inputs_of(history)
        population = Population.fit(rows)
        tables, figures = fitted_tables(rows, population)
        return cls(_Parameters(version, policy, population, tables, figures))

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
        """Shares of history: left out as anomalies, estimated to be some, and of users known well."""
        return self._parameters.figures

    @property
    def ordinary_flagged(self) -> float | None:
        """The share of ordinary traffic that the common bar flags at the most, while it stays like history; None while
        warming up."""
        tables, rate = self._parameters.tables, self._parameters.policy.alert_rate
        if tables is None:
            return None
        return tables.worth.at_most(self._valued if rate is None else tables.worth.rarity_of_rate(rate))

    def drift(self) -> dict[str, float]:
        """The population stability index of each feature and of the score, by name; empty before enough was scored.

        The hour is left out: the hours of any short while are not those of history.
        """
        return {name: psi for name, psi in self.sample.drift().items() if name != "hour"}

    def threshold(self, user: str, state: UserState, feedback: Feedback = NO_FEEDBACK) -> float:
        """The score from which this user's next transaction is flagged."""
        tables = self._parameters.tables
        if tables is None:
            return 1.0
        worth, _ = self._after(feedback)
        common, _ = self._common(user, feedback)
        return worth.score(common + self._lifted(user, feedback) + state.bar)

    def _common(self, user: str | None, feedback: Feedback) -> tuple[float, float | None]:
        """The bar before the user's own habits move it, in units of rarity, and the alert rate it stands for.

        That is None where alerts are valued. Analysts' decisions do not move this one: states learn by it.
        """
        tables = self._parameters.tables
        rate = self._rate(user, feedback)
        if rate is None or tables is None:
            return self._valued, None
        return tables.worth.rarity_of_rate(rate), rate

    def _rate(self, user: str | None, feedback: Feedback) -> float | None:
        """The alert rate of a user, of None that of users who have none of their own; None where alerts are valued."""
        usual = self._parameters.policy.alert_rate
        return usual if user is None else feedback.alert_rates.get(user, usual)

    def _after(self, feedback: Feedback) -> tuple[Worth, float]:
        """What rarities are worth after analysts' decisions, and from which on alerts are valued enough then."""
        tables = self._parameters.tables
        assert tables is not None
        if self._corrected is None or feedback.labels is not self._labels:
            self._labels = feedback.labels
            worth = tables.worth.corrected(feedback.labels)
            self._corrected = worth, worth.bar(self._parameters.policy.alerts_wrong)
        return self._corrected

    def _lifted(self, user: str | None, feedback: Feedback) -> float:
        """By how much analysts' decisions raise the common bar."""
        if not feedback.labels or self._rate(user, feedback) is not None:
            return 0.0
        return self._after(feedback)[1] - self._valued

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
        rows: InputColumns | None = None,
        feedback: Feedback = NO_FEEDBACK,
    ) -> Sequence[Verdict]:
        """One verdict each, in order; every transaction is scored before its user's state learns it.

        `rows` are the transactions' `inputs_of` where the caller has them already. `states` holds the users' states by
        user id; it gains an entry for each user it lacks and its states are changed in place. A verdict depends on
        the model, its own user's state and the feedback only; of the feedback, states learn by alert rates alone.
        """
        if not transactions:
            return Verdicts.warming("enhanced", 0)
        rows = rows or inputs_of(transactions)
        together = States(rows.of.user.distinct, states, {})
        verdicts = self.score_together(transactions, together, rows, feedback)
        together.give(states)
        return verdicts

    def score_together(
        self, transactions: Sequence[Transaction], states: States, rows: InputColumns, feedback: Feedback
    ) -> Verdicts:
        """`score` where the states are those of the transactions' users (`rows.of.user.distinct`) together."""
        tables = self._parameters.tables
        if tables is None:
            passed(rows, states, self._parameters.population, self._usual, self._judge, None)
            return Verdicts.warming("enhanced", len(rows))
        found, bars = self.found(rows, states, feedback)
        sampled = np.flatnonzero((found.seen % SAMPLED == 0) & (found.seen >= WARMED_UP))
        self.sample.extend(np.column_stack((found.values[sampled], found.rarity[sampled])))
        return self._verdicts(tables, transactions, rows, found, bars, states, feedback)

    def judge(self, transaction: Transaction, state: UserState, feedback: Feedback = NO_FEEDBACK) -> Verdict:
        """The verdict that a transaction would have; neither the state nor the measure of drift moves."""
        tables = self._parameters.tables
        if tables is None:
            return Verdicts.warming("enhanced", 1)[0]
        rows, states = _alone(transaction, state)
        found, bars = self.found(rows, states, feedback)
        return self._verdicts(tables, [transaction], rows, found, bars, states, feedback)[0]

    def expected(self, transaction: Transaction, state: UserState) -> Expectation:
        """What the user was expected to do, before the transaction."""
        rows, states = _alone(transaction, state)
        found = passed(rows, states, self._parameters.population, self._usual, self._judge, None)
        return found.expectation(0)

    def found(self, rows: InputColumns, states: States, feedback: Feedback = NO_FEEDBACK) -> tuple[Found, list[_Bar]]:
        """Pass the rows through their users' states, as `score` does; also what each was judged by."""
        usual = self._bar(None, feedback)
        rates = feedback.alert_rates
        bars = [self._bar(user, feedback) if user in rates else usual for user in rows.of.user] if rates else None
        bars = bars or [usual] * len(rows)
        kept_from = np.full(len(rows), TOLD_FROM)
        if feedback.lifts or feedback.tolerated or feedback.labels:
            # What analysts decided may make an alert of anything, or something to say.
            kept_from[:] = -inf
        by = Bars(
            np.array([bar.common for bar in bars]),
            np.array([nan if bar.rate is None else bar.rate for bar in bars]),
            kept_from,
        )
        return passed(rows, states, self._parameters.population, self._usual, self._judge, by), bars

    def _bar(self, user: str | None, feedback: Feedback) -> _Bar:
        common, rate = self._common(user, feedback)
        return _Bar(common, rate, self._lifted(user, feedback))

    def _verdicts(
        self,
        tables: Tables,
        transactions: Sequence[Transaction],
        rows: InputColumns,
        found: Found,
        bars: Sequence[_Bar],
        states: States,
        feedback: Feedback,
    ) -> Verdicts:
        worth, _ = self._after(feedback)
        scores = worth.scores_of(found.rarity)
        thresholds = worth.scores_of(found.bar + [by.lifted for by in bars])
        whole = {
            number: self._told(
                tables,
                transactions[number],
                rows[number],
                found,
                number,
                float(thresholds[number]),
                states.names[rows.of.user.places[number]],
                feedback,
            )
            for number in np.flatnonzero(found.kept >= 0).tolist()
        }
        return Verdicts("enhanced", self.version, scores, thresholds, brief(scores, found.shares), whole)

    def _told(
        self,
        tables: Tables,
        transaction: Transaction,
        row: Inputs,
        found: Found,
        number: int,
        threshold: float,
        names: dict[int, str | None],
        feedback: Feedback,
    ) -> Verdict:
        """The verdict on a transaction that may be worth more than a few words."""
        rarity = float(found.rarity[number])
        lift = feedback.lifts.get(row.merchant or "", 0.0) if feedback.lifts else 0.0
        shares = found.shares[number].tolist()
        if lift:
            rarity = tables.rarity(float(found.total[number]) + lift)
            own = float(found.own[number])
            shares[RISK_INDEX] = (sum(shares[:MEMORY_INDEX]) / own if own > 0.0 else 1.0) * lift
        worth, _ = self._after(feedback)
        score = worth.score(rarity)
        if lift:
            score = 1.0 - (1.0 - score) * (1.0 - feedback.risk(row.merchant or ""))
        tolerance = None
        usual = threshold
        if score >= threshold and row.user in feedback.tolerated:
            tolerance = feedback.strongest(row.user, row.time, named(shares))
        if tolerance is not None:
            threshold = of_log_odds(log_odds(threshold) + tolerance.rise)
        flagged = score >= threshold
        if rarity >= TOLD_FROM or flagged or tolerance is not None:
            state = found.state(number, names)
            expected, population = found.expectation(number), self._parameters.population
            situation = Situation(transaction, row, state, expected, population, found.rows.numbers[number])
            reasons = full(score, shares, situation, feedback)
            if tolerance is not None:
                reasons = (*reasons, spared(tolerance, usual, threshold))
            if worth is not tables.worth and (flagged or tolerance is not None):
                reasons = (*reasons, *adjusted(tables.worth.score(rarity), score, feedback.labels))
        else:
            reasons = brief(np.array([score]), np.array([shares])).reasons(0, score)
        return Verdict(
            detector="enhanced",
            score=score,
            threshold=threshold,
            flagged=flagged,
            severity=Severity.of_verdict(score, flagged),
            model_version=self._parameters.version,
            reasons=reasons,
        )


def _alone(transaction: Transaction, state: UserState) -> tuple[InputColumns, States]:
    """One transaction and its user's state, which stays as it is."""
    rows = inputs_of([transaction])
    return rows, States(rows.of.user.distinct, {transaction.user_id: state.copy()}, {})
