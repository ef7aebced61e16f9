"""The basic detector: an isolation forest on a transaction's own fields, without any history of its user."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from math import cos, expm1, log, nan, pi, sin, sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.calibration import Calibration
from detectors.drift import SAMPLED, Reference, Sample
from detectors.forest import FlatForest, Forest
from detectors.inputs import Inputs, inputs_of
from detectors.population import Frequencies, Normal, log_amounts
from detectors.rates import EUR_PER_UNIT
from detectors.reasons import CARRIED, LINES, with_the_rest
from detectors.scale import public_score, rarity_of_rate
from detectors.sentences import Said, money, percent
from domain.transaction import Transaction
from domain.verdict import Factor, Reason, Severity, Status, Verdict

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

EXPLAINED_FROM = 0.7
"""Only suspicious scores are explained in full: finding out what each field adds costs eight scores."""

COMMON = 0.1
"""The share of transactions from which a value is no reason."""

ALIKE = 1.5
"""An amount within this factor of the median is no reason."""

_HOURS = [(sin(2 * pi * quarter / 96), cos(2 * pi * quarter / 96)) for quarter in range(96)]
_WEEKDAYS = [(sin(2 * pi * day / 7), cos(2 * pi * day / 7)) for day in range(7)]
_NAMES = ("amount", "hour", "weekday", "category", "payment_method", "transaction_type", "device_type", "country")
_COLUMNS = {name: [index for index, (of, _) in enumerate(FEATURES) if of == name] for name in _NAMES}
_FACTORS: dict[str, Factor] = dict(FEATURES)


class Fitted(msgspec.Struct, frozen=True):
    """What was fitted: shares of words, amounts by category, and the forest with its calibration."""

    shares: tuple[Frequencies, ...]
    amounts: dict[str, Normal]
    typical: tuple[float, ...]
    spread: tuple[float, ...]
    forest: FlatForest
    calibration: Calibration
    reference: Reference


class _Parameters(msgspec.Struct, frozen=True):
    version: str
    alert_rate: float
    fitted: Fitted | None = None
    figures: dict[str, float] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Parameters).decode


class BasicModel:
    """An immutable basic detector; make one with `fit`, `warming` or `from_bytes`. It keeps no state."""

    def __init__(self, parameters: _Parameters) -> None:
        self._parameters = parameters
        self.fitted = parameters.fitted
        self._threshold = public_score(rarity_of_rate(parameters.alert_rate))
        self.forest = parameters.fitted.forest.forest() if parameters.fitted else None
        self._log_shares = _logs(parameters.fitted.shares) if parameters.fitted else ()
        self._sample = Sample(parameters.fitted.reference if parameters.fitted else None, (*_DRIFTING, "score"))

    @classmethod
    def warming(cls) -> "BasicModel":
        """The detector before there is any history: it scores 0 and never flags."""
        return cls(_Parameters("warming", 0.005))

    @classmethod
    def fit(
        cls, history: Sequence[Transaction], *, version: str, alert_rate: float = 0.005, seed: int = 0
    ) -> "BasicModel":
        """Fit forest, shares and threshold on stored history, without labels.

        `alert_rate` is the share of history whose score reaches the threshold. The same history and seed give
        the same model. Raises: ValueError for an empty history.
        """
        if not history:
            raise ValueError("a basic model needs at least one transaction of history")
        rows = inputs_of(history)
        shares = tuple(Frequencies.fit(values) for values in zip(*map(_words, rows), strict=True))
        amounts = log_amounts(np.array([row.log_amount for row in rows]), [row.category or "" for row in rows])
        raw = _raw(rows, _logs(shares), amounts)
        typical = tuple(_typical(column) for column in raw.T)
        X = _filled(raw, typical)
        forest = Forest.fit(X, seed)
        spread = tuple(np.maximum(np.abs(X - typical).mean(axis=0), 1e-6).tolist())
        anomaly = forest.score(X)
        calibration = Calibration.fit(anomaly, 0.005)
        reference = Reference.fit(_sampled(X, anomaly))
        flagged = float((calibration.rarities(anomaly) >= rarity_of_rate(alert_rate)).mean())
        fitted = Fitted(shares, amounts, typical, spread, forest.to_arrays(), calibration, reference)
        return cls(_Parameters(version, alert_rate, fitted, {"flagged": flagged}))

    @property
    def version(self) -> str:
        """The model version its verdicts carry."""
        return self._parameters.version

    @property
    def figures(self) -> dict[str, float]:
        """What the fit found: the share of its history that it would flag."""
        return self._parameters.figures

    def drift(self) -> dict[str, float]:
        """The population stability index of each column and of the score, by name; empty before enough was scored."""
        return self._sample.drift()

    def to_bytes(self) -> bytes:
        """The model as msgpack."""
        return _encode(self._parameters)

    @staticmethod
    def from_bytes(encoded: bytes) -> "BasicModel":
        """The model of `to_bytes`. Raises: msgspec.DecodeError."""
        return BasicModel(_decode(encoded))

    def score(self, transactions: Sequence[Transaction], *, rows: Sequence[Inputs] | None = None) -> list[Verdict]:
        """One verdict each, in order, whatever came before; `rows` are their `inputs_of`, if known already."""
        if not transactions:
            return []
        fitted, forest = self.fitted, self.forest
        if fitted is None or forest is None:
            return [self._verdict(0.0, (), "warming")] * len(transactions)
        rows = rows or inputs_of(transactions)
        X, anomaly, scores = self.scores(fitted, forest, rows)
        self._sample.extend(_sampled(X[::SAMPLED], anomaly[::SAMPLED]))
        worth_it = min(EXPLAINED_FROM, self._threshold)
        odd = [index for index, score in enumerate(scores) if score >= worth_it]
        reasons = [_brief(score, *two) for score, two in zip(scores, _oddest(X, fitted), strict=True)]
        for index, shares in zip(odd, _shares(forest, X[odd], anomaly[odd], fitted.typical), strict=True):
            reasons[index] = _explained(scores[index], shares, transactions[index], rows[index], fitted)
        return [self._verdict(score, why, "ok") for score, why in zip(scores, reasons, strict=True)]

    def scores(
        self, fitted: Fitted, forest: Forest, rows: Sequence[Inputs]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], list[float]]:
        """The columns of `FEATURES`, shape (n, 13), what the forest makes of them, shape (n,), and public scores."""
        X = _filled(_raw(rows, self._log_shares, fitted.amounts), fitted.typical)
        anomaly = forest.score(X)
        return X, anomaly, [public_score(rarity) for rarity in fitted.calibration.rarities(anomaly).tolist()]

    def _verdict(self, score: float, reasons: tuple[Reason, ...], status: Status) -> Verdict:
        return Verdict(
            detector="basic",
            score=score,
            threshold=self._threshold,
            flagged=score >= self._threshold and status == "ok",
            severity=Severity.of(score),
            model_version=self._parameters.version,
            status=status,
            reasons=reasons,
        )


_WORDS = ("category", "payment_method", "transaction_type", "device_type", "country")


def _words(row: Inputs) -> tuple[str | None, ...]:
    """The values of `_WORDS`."""
    return row.category, row.payment_method, row.transaction_type, row.device_type, row.country


_LogShares = tuple[tuple[dict[str | None, float], float], ...]


def _logs(shares: tuple[Frequencies, ...]) -> _LogShares:
    """For each word field the log of every value's share, NaN for a missing one, and the log for unseen values."""
    return tuple(
        ({None: nan} | {word: log(share) for word, share in of.share.items()}, log(of.unseen)) for of in shares
    )


def _raw(rows: Sequence[Inputs], log_shares: _LogShares, amounts: dict[str, Normal]) -> NDArray[np.float64]:
    """The columns of `FEATURES`, shape (n, 13); NaN where a field is missing."""
    (categories, c0), (payment_methods, p0), (types, t0), (devices, d0), (countries, l0) = log_shares
    overall = amounts[""]
    columns = []
    for row in rows:
        time, amount, log_amount, category = row.time, row.amount, row.log_amount, row.category
        usual = amounts.get(category, overall) if category else overall
        columns.append(
            (
                log_amount,
                (log_amount - usual.mean) / sqrt(usual.variance),
                amount,
                amount,
                *_HOURS[int(time // 900) % 96],
                *_WEEKDAYS[(int(time // 86_400) + 3) % 7],
                categories.get(category, c0),
                payment_methods.get(row.payment_method, p0),
                types.get(row.transaction_type, t0),
                devices.get(row.device_type, d0),
                countries.get(row.country, l0),
            )
        )
    return np.array(columns)


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


def _oddest(X: NDArray[np.float64], fitted: Fitted) -> Iterator[tuple[int, int, float]]:
    """Of each row the two columns farthest from typical, and the first one's part of their distances."""
    distances = np.abs(X - fitted.typical) / fitted.spread
    rows = np.arange(len(X))
    first = distances.argmax(axis=1)
    most = distances[rows, first]
    distances[rows, first] = -1.0
    second = distances.argmax(axis=1)
    both = most + distances[rows, second]
    parts = np.divide(most, both, out=np.ones(len(X)), where=both > 0.0)
    return zip(first.tolist(), second.tolist(), parts.tolist(), strict=True)


def _brief(score: float, first: int, second: int, part: float) -> tuple[Reason, ...]:
    """The fields of the two columns of `_oddest`, without sentences; together they carry the whole score."""
    name, factor = FEATURES[first]
    other, other_factor = FEATURES[second]
    if part == 1.0 or other == name:
        return (Reason(name, factor, score),)
    return (Reason(name, factor, score * part), Reason(other, other_factor, score - score * part))


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
    field = _WORDS.index(name)
    observed, shares = _words(row)[field] or "", fitted.shares[field].share
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
