"""The basic detector: an isolation forest on a transaction's own fields, without any history of its user."""

from collections.abc import Sequence
from datetime import UTC
from math import cos, log, nan, pi, sin

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.calibration import Calibration
from detectors.forest import FlatForest, Forest
from detectors.population import Frequencies
from detectors.rates import EUR_PER_UNIT
from detectors.row import signed_log
from detectors.scale import public_score, rarity_of_rate
from domain.transaction import Transaction
from domain.verdict import Factor, Reason, Severity, Status, Verdict

FEATURES: tuple[tuple[str, Factor], ...] = (
    ("amount", "amount"),
    ("hour", "time"),
    ("hour", "time"),
    ("weekday", "time"),
    ("weekday", "time"),
    ("category", "merchant"),
    ("payment_method", "merchant"),
    ("transaction_type", "merchant"),
    ("device_type", "merchant"),
    ("country", "location"),
)
"""Columns of the forest: an hour and a weekday are a sine and a cosine, a category the log of its share."""

_HOURS = [(sin(2 * pi * quarter / 96), cos(2 * pi * quarter / 96)) for quarter in range(96)]
_WEEKDAYS = [(sin(2 * pi * day / 7), cos(2 * pi * day / 7)) for day in range(7)]
_NAMES = ("amount", "hour", "weekday", "category", "payment_method", "transaction_type", "device_type", "country")
_COLUMNS = {name: [index for index, (of, _) in enumerate(FEATURES) if of == name] for name in _NAMES}
_FACTORS: dict[str, Factor] = dict(FEATURES)


class _Fitted(msgspec.Struct, frozen=True):
    shares: tuple[Frequencies, ...]
    typical: tuple[float, ...]
    spread: tuple[float, ...]
    forest: FlatForest
    calibration: Calibration


class _Parameters(msgspec.Struct, frozen=True):
    version: str
    alert_rate: float
    fitted: _Fitted | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Parameters).decode


class BasicModel:
    """An immutable basic detector; make one with `fit`, `warming` or `from_bytes`. It keeps no state."""

    def __init__(self, parameters: _Parameters) -> None:
        self._parameters = parameters
        self._threshold = public_score(rarity_of_rate(parameters.alert_rate))
        self._forest = parameters.fitted.forest.forest() if parameters.fitted else None

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
        shares = tuple(Frequencies.fit(values) for values in zip(*map(_words, history), strict=True))
        raw = _raw(history, shares)
        typical = tuple(_typical(column) for column in raw.T)
        X = _filled(raw, typical)
        forest = Forest.fit(X, seed)
        spread = tuple(np.maximum(np.abs(X - typical).mean(axis=0), 1e-6).tolist())
        calibration = Calibration.fit(forest.score(X), 0.005)
        return cls(_Parameters(version, alert_rate, _Fitted(shares, typical, spread, forest.to_arrays(), calibration)))

    @property
    def version(self) -> str:
        """The model version its verdicts carry."""
        return self._parameters.version

    def to_bytes(self) -> bytes:
        """The model as msgpack."""
        return _encode(self._parameters)

    @staticmethod
    def from_bytes(encoded: bytes) -> "BasicModel":
        """The model of `to_bytes`. Raises: msgspec.DecodeError."""
        return BasicModel(_decode(encoded))

    def score(self, transactions: Sequence[Transaction]) -> list[Verdict]:
        """One verdict each, in order, whatever came before."""
        fitted, forest = self._parameters.fitted, self._forest
        if not transactions:
            return []
        if fitted is None or forest is None:
            return [self._verdict(0.0, (), "warming")] * len(transactions)
        X = _filled(_raw(transactions, fitted.shares), fitted.typical)
        anomaly = forest.score(X)
        scores = [public_score(fitted.calibration.rarity(value)) for value in anomaly.tolist()]
        told = [index for index, score in enumerate(scores) if score >= 0.5]
        shares = dict(zip(told, _shares(forest, X[told], anomaly[told], fitted.typical), strict=True))
        distances = (np.abs(X - fitted.typical) / fitted.spread).tolist()
        return [
            self._verdict(
                score,
                _told(score, shares[index], transaction) if index in shares else _brief(score, distances[index]),
                "ok",
            )
            for index, (score, transaction) in enumerate(zip(scores, transactions, strict=True))
        ]

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


def _words(transaction: Transaction) -> tuple[str | None, ...]:
    return (
        transaction.merchant.category,
        transaction.payment_method,
        transaction.transaction_type,
        transaction.device.type,
        transaction.location.country,
    )


def _raw(transactions: Sequence[Transaction], shares: tuple[Frequencies, ...]) -> NDArray[np.float64]:
    """The columns of `FEATURES`, shape (n, 10); NaN where a field is missing."""
    lookups = [(of.share, of.unseen) for of in shares]
    rows = []
    for transaction in transactions:
        time = transaction.timestamp.timestamp()
        amount = float(transaction.amount) * EUR_PER_UNIT.get(transaction.currency, 1.0)
        rows.append(
            (
                signed_log(amount),
                *_HOURS[int(time // 900) % 96],
                *_WEEKDAYS[(int(time // 86_400) + 3) % 7],
                *[
                    nan if word is None else log(share.get(word, unseen))
                    for word, (share, unseen) in zip(_words(transaction), lookups, strict=True)
                ],
            )
        )
    return np.array(rows)


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


def _brief(score: float, distances: list[float]) -> tuple[Reason, ...]:
    """The two columns farthest from typical, by distance, without sentences."""
    first = max(distances)
    column = distances.index(first)
    if first <= 0.0:
        return (Reason(*FEATURES[column], score),)
    distances[column] = 0.0
    second = max(distances)
    part = score * first / (first + second)
    return (Reason(*FEATURES[column], part), Reason(*FEATURES[distances.index(second)], score - part))


def _told(score: float, shares: list[float], transaction: Transaction) -> tuple[Reason, ...]:
    """Every field with a share, strongest first, in sentences; the strongest takes the rounding."""
    total = sum(shares)
    order = sorted((index for index, share in enumerate(shares) if share > 0.0), key=lambda i: -shares[i])
    if not order:
        return (_sentence("amount", score, transaction),)
    others = [_sentence(_NAMES[index], score * shares[index] / total, transaction) for index in order[1:]]
    left = score - sum(reason.contribution for reason in others)
    return (_sentence(_NAMES[order[0]], left, transaction), *others)


def _sentence(name: str, contribution: float, transaction: Transaction) -> Reason:
    moment = transaction.timestamp.astimezone(UTC)
    category, payment_method, transaction_type, device_type, country = _words(transaction)
    observed = {
        "amount": f"{transaction.amount:,.2f} {transaction.currency}",
        "hour": f"{moment:%H:%M} UTC",
        "weekday": f"{moment:%A}",
        "category": category or "",
        "payment_method": payment_method or "",
        "transaction_type": transaction_type or "",
        "device_type": device_type or "",
        "country": country or "",
    }[name]
    text = f"{observed} is unusual among all transactions with these fields"
    return Reason(name, _FACTORS[name], contribution, observed, "", text)
