"""The basic detector: an isolation forest on a transaction's own fields, without any history of its user."""

from collections.abc import Sequence
from datetime import UTC
from math import cos, expm1, log, nan, pi, sin
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.calibration import Calibration, Scale, rarities
from detectors.drift import SAMPLED, Reference, Sample
from detectors.forest import FlatForest, Forest
from detectors.inputs import InputColumns, Inputs, inputs_of
from detectors.null import fitted as fitted_null
from detectors.null import lately
from detectors.policy import USUAL_POLICY, Policy
from detectors.population import Frequencies, Normal, log_amounts
from detectors.rates import EUR_PER_UNIT
from detectors.reasons import CARRIED, LINES, with_the_rest
from detectors.sentences import Said, money, percent
from detectors.verdicts import NO_LINE, Brief, Verdicts
from detectors.words import Words
from detectors.worth import Worth
from domain.transaction import Transaction
from domain.verdict import Factor, Reason, Severity, Verdict

FEATURES: tuple[tuple[str, Factor], ...] = (
    ("amount", "amount"),
    ("amount", "amount"),
    ("amount", "amount"),
    ("amount", "amount"),
    ("hour", "time"),
    ("hour", "time"),
    ("weekday", "time"),
    ("weekday", "time"),
    ("category", "merchant"),
    ("payment_method", "payment"),
    ("transaction_type", "payment"),
    ("device_type", "device"),
    ("country", "location"),
)
"""Columns of the forest: an hour and a weekday are a sine and a cosine, a category the log of its share.

The amount has four, since trees draw their columns at random and most anomalies show in it: its logarithm, the
logarithm in standard deviations of the category's, and twice the euros, where a huge one stands far out.
"""

ODDITIES = 0.0006
"""What stands in the place of `detectors.null.ODD`: what is odd for one person is mostly not for everybody."""

EXPLAINED_FROM = 0.5
"""Only such scores, and alerts, are explained in full: finding out what each field adds costs eight scores."""

COMMON = 0.1
"""The share of transactions from which a value is no reason."""

ALIKE = 1.5
"""An amount within this factor of the median is no reason."""

_HOURS = np.array([(sin(2 * pi * quarter / 96), cos(2 * pi * quarter / 96)) for quarter in range(96)])
_WEEKDAYS = np.array([(sin(2 * pi * day / 7), cos(2 * pi * day / 7)) for day in range(7)])
_NAMES = ("amount", "hour", "weekday", "category", "payment_method", "transaction_type", "device_type", "country")
_COLUMNS = {name: [index for index, (of, _) in enumerate(FEATURES) if of == name] for name in _NAMES}
_FACTORS: dict[str, Factor] = dict(FEATURES)


class Fitted(msgspec.Struct, frozen=True):
    """What was fitted: shares of words; amounts by category; the forest; calibrations of its score, and of amounts in
    their category that are large and that are small; the scale of rarities and what they are worth, as in
    `detectors.fitting.Tables`; and what drift is measured against."""

    shares: tuple[Frequencies, ...]
    amounts: dict[str, Normal]
    typical: tuple[float, ...]
    spread: tuple[float, ...]
    forest: FlatForest
    calibrations: tuple[Calibration, Calibration, Calibration]
    zero: float
    decade: float
    worth: Worth
    reference: Reference


class _Parameters(msgspec.Struct, frozen=True):
    version: str
    policy: Policy
    fitted: Fitted | None = None
    figures: dict[str, float] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Parameters).decode


class BasicModel:
    """An immutable basic detector; make one with `fit`, `warming` or `from_bytes`. It keeps no state."""

    def __init__(self, parameters: _Parameters) -> None:
        self._parameters = parameters
        self.fitted = parameters.fitted
        self._threshold = _threshold(parameters.fitted.worth, parameters.policy) if parameters.fitted else 1.0
        self.forest = parameters.fitted.forest.forest() if parameters.fitted else None
        self._log_shares = _logs(parameters.fitted.shares) if parameters.fitted else ()
        self._scale = Scale.of(parameters.fitted.calibrations if parameters.fitted else ())
        self.sample = Sample(parameters.fitted.reference if parameters.fitted else None, (*_DRIFTING, "score"))

    @classmethod
    def warming(cls) -> "BasicModel":
        """The detector before there is any history: it scores 0 and never flags."""
        return cls(_Parameters("warming", USUAL_POLICY))

    @classmethod
    def fit(
        cls, history: Sequence[Transaction], *, version: str, policy: Policy = USUAL_POLICY, seed: int = 0
    ) -> "BasicModel":
        """Fit forest, shares and threshold on stored history, without labels.

        `policy` says what may be flagged. The same history and seed give
        the same model. Raises: ValueError for an empty history.
        """
        if not history:
            raise ValueError("a basic model needs at least one transaction of history")
        rows = inputs_of(history)
        shares = tuple(Frequencies.fit(words) for words in _words(rows))
        amounts = log_amounts(rows.of.log_amount, [category or "" for category in rows.of.category])
        raw = _raw(rows, _logs(shares), amounts)
        typical = tuple(_typical(column) for column in raw.T)
        X = _filled(raw, typical)
        forest = Forest.fit(X, seed)
        spread = tuple(np.maximum(np.abs(X - typical).mean(axis=0), 1e-6).tolist())
        anomaly = forest.score(X)
        in_category = X[:, _IN_CATEGORY]
        calibrations = (
            Calibration.of_body(anomaly, 0.005),
            Calibration.of_body(in_category, 0.1),
            Calibration.of_body(-in_category, 0.1),
        )
        totals = _suspicions(Scale.of(calibrations), X, anomaly).max(axis=0)
        now = totals[-lately(totals) :]
        null = fitted_null(now, ODDITIES)
        worth = Worth.fit(null.rarities(now), null)
        reference = Reference.fit(_sampled(X, anomaly))
        fitted = Fitted(
            shares, amounts, typical, spread, forest.to_arrays(), calibrations, null.zero, null.decade, worth, reference
        )
        model = cls(_Parameters(version, policy, fitted))
        flagged = float((model.scores(fitted, forest, rows)[2] >= model._threshold).mean())
        return cls(_Parameters(version, policy, fitted, {"flagged": flagged, "anomalous": worth.anomalous}))

    @property
    def version(self) -> str:
        """The model version its verdicts carry."""
        return self._parameters.version

    @property
    def figures(self) -> dict[str, float]:
        """What the fit found: the shares of its history that it would flag, and that are anomalous by the estimate."""
        return self._parameters.figures

    def drift(self) -> dict[str, float]:
        """The population stability index of each column and of the score, by name; empty before enough was scored."""
        return self.sample.drift()

    def to_bytes(self) -> bytes:
        """The model as msgpack."""
        return _encode(self._parameters)

    @staticmethod
    def from_bytes(encoded: bytes) -> "BasicModel":
        """The model of `to_bytes`. Raises: msgspec.DecodeError."""
        return BasicModel(_decode(encoded))

    def score(self, transactions: Sequence[Transaction], *, rows: InputColumns | None = None) -> Sequence[Verdict]:
        """One verdict each, in order, whatever came before; `rows` are their `inputs_of`, if known already."""
        fitted, forest = self.fitted, self.forest
        if not transactions or fitted is None or forest is None:
            return Verdicts.warming("basic", len(transactions))
        rows = rows or inputs_of(transactions)
        X, anomaly, scores, by_amount = self.scores(fitted, forest, rows)
        self.sample.extend(_sampled(X[::SAMPLED], anomaly[::SAMPLED]))
        odd = np.flatnonzero(scores >= min(EXPLAINED_FROM, self._threshold))
        whole = {}
        for index, shares in zip(odd.tolist(), _shares(forest, X[odd], anomaly[odd], fitted.typical), strict=True):
            # The amount alone was odder than all fields together: no other one has more of the score.
            told = [max(*shares, 1e-9), *shares[1:]] if by_amount[index] else shares
            score = float(scores[index])
            whole[index] = self._verdict(score, _explained(score, told, transactions[index], rows[index], fitted))
        thresholds = np.full(len(scores), self._threshold)
        return Verdicts("basic", self.version, scores, thresholds, _brief(scores, X, fitted), whole)

    def scores(
        self, fitted: Fitted, forest: Forest, rows: InputColumns
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """The columns of `FEATURES`, shape (n, 13), what the forest makes of them, public scores, and whether these are
        for the amount in its category alone, each of shape (n,)."""
        X = _filled(_raw(rows, self._log_shares, fitted.amounts), fitted.typical)
        anomaly = forest.score(X)
        suspicions = _suspicions(self._scale, X, anomaly)
        rare = np.maximum((suspicions.max(axis=0) - fitted.zero) / fitted.decade, 0.0)
        return X, anomaly, fitted.worth.scores_of(rare), suspicions[0] < suspicions[1:].max(axis=0)

    def _verdict(self, score: float, reasons: tuple[Reason, ...]) -> Verdict:
        return Verdict(
            detector="basic",
            score=score,
            threshold=self._threshold,
            flagged=score >= self._threshold,
            severity=Severity.of_verdict(score, score >= self._threshold),
            model_version=self._parameters.version,
            reasons=reasons,
        )


def _threshold(worth: Worth, policy: Policy) -> float:
    rate = policy.alert_rate
    return worth.score(worth.bar(policy.alerts_wrong) if rate is None else worth.rarity_of_rate(rate))


_IN_CATEGORY = 1
"""The column of the amount in standard deviations of its category's."""


def _suspicions(scale: Scale, X: NDArray[np.float64], anomaly: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rarities of what the forest says, of a large amount and of a small one, shape (3, n); the largest counts.

    A forest draws its columns at random, and hardly sees what is odd in one of them only.
    """
    in_category = np.ascontiguousarray(X[:, _IN_CATEGORY])
    columns = anomaly, in_category, -in_category
    return np.stack([rarities(column, scale, number) for number, column in enumerate(columns)])


_WORDS = ("category", "payment_method", "transaction_type", "device_type", "country")


def _words(rows: InputColumns) -> tuple[Words[str | None], ...]:
    """The columns of `_WORDS`."""
    of = rows.of
    return of.category, of.payment_method, of.transaction_type, of.device_type, of.country


class _LogShares(NamedTuple):
    """The logs of a field's shares."""

    shares: dict[str, float]
    unseen: float

    def of(self, word: str | None) -> float:
        """That of a word's share; NaN where it is missing."""
        return nan if word is None else self.shares.get(word, self.unseen)


def _logs(shares: tuple[Frequencies, ...]) -> tuple[_LogShares, ...]:
    return tuple(_LogShares({word: log(share) for word, share in of.share.items()}, log(of.unseen)) for of in shares)


def _raw(rows: InputColumns, log_shares: tuple[_LogShares, ...], amounts: dict[str, Normal]) -> NDArray[np.float64]:
    """The columns of `FEATURES`, shape (n, 13); NaN where a field is missing."""
    of, overall = rows.of, amounts[""]
    means = of.category.numbers(lambda category: amounts.get(category or "", overall).mean)
    variances = of.category.numbers(lambda category: amounts.get(category or "", overall).variance)
    columns = np.empty((len(rows), len(FEATURES)))
    columns[:, 0] = of.log_amount
    columns[:, 1] = (of.log_amount - means) / np.sqrt(variances)
    columns[:, 2] = columns[:, 3] = of.amount
    columns[:, 4:6] = _HOURS[(of.time // 900).astype(np.int64) % 96]
    columns[:, 6:8] = _WEEKDAYS[((of.time // 86_400).astype(np.int64) + 3) % 7]
    for column, (words, logs) in enumerate(zip(_words(rows), log_shares, strict=True), start=8):
        columns[:, column] = words.numbers(logs.of)
    return columns


_DRIFTING = {
    "amount": 0,
    "amount_in_category": 1,
    "category": 8,
    "payment_method": 9,
    "transaction_type": 10,
    "device_type": 11,
    "country": 12,
}
"""Columns whose drift is measured. Hours and weekdays are not: those of any short while are not those of history."""


def _sampled(X: NDArray[np.float64], anomaly: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns of `_DRIFTING` and the forest's score."""
    return np.column_stack((X[:, list(_DRIFTING.values())], anomaly))


def _typical(column: NDArray[np.float64]) -> float:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if known.size else 0.0


def _filled(raw: NDArray[np.float64], typical: tuple[float, ...]) -> NDArray[np.float64]:
    """Missing values at their typical ones, where they neither raise nor lower a score."""
    return np.where(np.isnan(raw), typical, raw)


def _shares(
    forest: Forest, X: NDArray[np.float64], anomaly: NDArray[np.float64], typical: tuple[float, ...]
) -> list[list[float]]:
    """How far each row's anomaly falls when one of `_NAMES` is put to its typical value; never negative."""
    if not len(X):
        return []
    changed = np.repeat(X[:, None, :], len(_NAMES), axis=1)
    for position, name in enumerate(_NAMES):
        for column in _COLUMNS[name]:
            changed[:, position, column] = typical[column]
    without = forest.score(changed.reshape(-1, X.shape[1])).reshape(len(X), len(_NAMES))
    fall: list[list[float]] = np.maximum(anomaly[:, None] - without, 0.0).tolist()
    return fall


_LINES = tuple(dict.fromkeys(FEATURES))
_LINE_OF = np.array([_LINES.index(feature) for feature in FEATURES])
"""The fields by name, and of each column of the forest the place of its own."""


def _brief(scores: NDArray[np.float64], X: NDArray[np.float64], fitted: Fitted) -> Brief:
    """The fields of the two columns farthest from typical, by their parts of the two distances."""
    distances = np.abs(X - fitted.typical) / fitted.spread
    rows = np.arange(len(X))
    first = distances.argmax(axis=1)
    most = distances[rows, first]
    distances[rows, first] = -1.0
    second = distances.argmax(axis=1)
    both = most + distances[rows, second]
    parts = np.divide(most, both, out=np.ones(len(X)), where=both > 0.0)
    line, other = _LINE_OF[first], _LINE_OF[second]
    return Brief(_LINES, line, np.where((parts == 1.0) | (other == line), NO_LINE, other), scores * parts)


def _explained(
    score: float, shares: list[float], transaction: Transaction, row: Inputs, fitted: Fitted
) -> tuple[Reason, ...]:
    """At most three fields in sentences, strongest first, and what is left of the score as `other`."""
    total = sum(shares)
    order = sorted((index for index, share in enumerate(shares) if share > 0.0), key=lambda i: -shares[i])
    told: list[Reason] = []
    left = score
    for index in order:
        name = _NAMES[index]
        said = _sentence(name, transaction, row, fitted)
        if said is None:
            continue
        if len(told) == LINES or left <= (1.0 - CARRIED) * score:
            break
        part = score * shares[index] / total
        left -= part
        told.append(Reason(name, _FACTORS[name], part, *said))
    return with_the_rest(score, told, "the other fields together" if told else "no single field, but all together")


def _sentence(name: str, transaction: Transaction, row: Inputs, fitted: Fitted) -> Said | None:
    """What a field says beside all transactions; None where it is what many have."""
    if name == "amount":
        return _amount(transaction, row, expm1(fitted.typical[0]))
    if name in ("hour", "weekday"):
        moment = transaction.timestamp.astimezone(UTC)
        observed = f"{moment:%H:%M} UTC" if name == "hour" else f"{moment:%A}"
        return Said(observed, "", f"{observed}, unusual together with the rest of the transaction")
    observed, shares = getattr(row, name) or "", fitted.shares[_WORDS.index(name)].share
    noun, usual = name.replace("_", " "), next(iter(shares), "")
    share = shares.get(observed, 0.0)
    if share >= COMMON:
        return None
    having = f"{percent(share)} of all transactions have" if share else "no transaction in the model's history has"
    return Said(observed, usual, f"{having} {noun} {observed}; most often it is {usual}")


def _amount(transaction: Transaction, row: Inputs, median: float) -> Said | None:
    if median / ALIKE < row.amount < median * ALIKE:
        return None
    observed = money(transaction.amount, transaction.currency)
    usual = money(median / EUR_PER_UNIT.get(transaction.currency, 1.0), transaction.currency)
    side = "below" if row.amount > median else "above"
    return Said(observed, usual, f"{observed}; half of all transactions are {side} {usual}")
