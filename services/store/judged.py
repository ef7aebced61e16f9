"""What is stored of all verdicts that a detector gave on a batch, as columns."""

from collections.abc import Mapping
from statistics import mode
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.layout import Counts, Numbers
from detectors.verdicts import NO_LINE, Verdicts
from domain.verdict import DetectorName
from services.store.binary import Column, numbers, some_texts
from services.store.columns import columns_of
from services.store.words import Keys, Version, line_of

_NO_WORD = -1
_UNUSUAL = -2
"""What is no threshold."""


class Named(NamedTuple):
    """What rows name by keys: the words, and the place of each row's among them, shape (n,), `_NO_WORD` for none."""

    words: list[str]
    places: Counts

    def column(self, keys: Keys, kind: str) -> Column:
        """The column of the keys."""
        found = np.array([*(keys[word] for word in self.words), _NO_WORD])
        return numbers(found[self.places], kind, self.places != _NO_WORD)

    def spread(self, known: NDArray[np.bool_]) -> "Named":
        """The same of the rows that are `known`, shape (n,); all others name nothing."""
        places = np.full(len(known), _NO_WORD)
        places[known] = self.places
        return Named(self.words, places)


class Versioned(NamedTuple):
    """Versions of a detector's models that rows name, the thresholds that went with them, in billionths, and which of
    the rows are alerts, shape (n,) each."""

    detector: DetectorName
    named: Named
    thresholds: Counts
    alerts: NDArray[np.bool_]

    @property
    def usual(self) -> dict[str, int]:
        """The threshold that most rows of each version have."""
        named = self.named
        return {word: mode(self.thresholds[named.places == place].tolist()) for place, word in enumerate(named.words)}

    def columns(self, versions: Mapping[str, Version]) -> tuple[Column, Column]:
        """The columns of keys and thresholds; a threshold is null where it is the usual one of its version.

        Not that of an alert: a daemon of the release before, beside this one, asks its row.
        """
        named = self.named
        known = [versions[word].usual[self.detector] for word in named.words]
        usual = np.array([*(_UNUSUAL if threshold is None else threshold for threshold in known), _UNUSUAL])
        own = (named.places != _NO_WORD) & (self.alerts | (self.thresholds != usual[named.places]))
        keys: Keys = {word: versions[word].key for word in named.words}
        return named.column(keys, "i4"), numbers(self.thresholds, "i4", own)

    def spread(self, known: NDArray[np.bool_]) -> "Versioned":
        """As `Named.spread`."""
        thresholds, alerts = np.full(len(known), _UNUSUAL), np.zeros(len(known), np.bool_)
        thresholds[known], alerts[known] = self.thresholds, self.alerts
        return Versioned(self.detector, self.named.spread(known), thresholds, alerts)


class Judged(NamedTuple):
    """Columns in the order of `VERDICT_COLUMNS` without the thresholds, which go with the versions of models that rows
    name, and the brief reasons that they name."""

    columns: list[Column]
    version: Versioned
    brief: Named


def judged(verdicts: Verdicts) -> Judged:
    """What `columns_of` has of all verdicts of one detector."""
    n, brief = len(verdicts), verdicts.brief
    plain = np.ones(n, np.bool_)
    plain[list(verdicts.whole)] = False
    first, two = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    version = Named([verdicts.version] if plain.any() else [], np.zeros(n, np.int64))
    lines = Named([], np.full(n, _NO_WORD))
    if brief is not None:
        two = plain & (brief.second != NO_LINE)
        first[two] = _billionths(brief.part[two])
        size = len(brief.lines) + 1
        distinct, places = np.unique((brief.first * size + brief.second + 1)[plain], return_inverse=True)
        for code in distinct.tolist():
            stronger, weaker = divmod(code, size)
            lines.words.append(line_of(brief.lines[stronger], brief.lines[weaker - 1] if weaker else None))
        lines.places[plain] = places
    statuses: dict[int, str] = {}
    reasons: dict[int, str] = {}
    errors: dict[int, str] = {}
    if verdicts.status != "ok":
        statuses = dict.fromkeys(np.flatnonzero(plain).tolist(), str(verdicts.status))
    for number, verdict in verdicts.whole.items():
        (_, _, _, _, status, of_first, whole, error), model, word = columns_of(verdict)
        version.places[number] = _place(version.words, model)
        if word is not None:
            lines.places[number] = _place(lines.words, word)
        if of_first is not None:
            first[number], two[number] = of_first, True
        for texts, text in ((statuses, status), (reasons, whole), (errors, error)):
            if text is not None:
                texts[number] = text
    columns = [
        numbers(_billionths(verdicts.scores), "i4"),
        numbers(verdicts.flagged, "u1"),
        numbers(verdicts.severities, "i2", verdicts.severities > 0),
        some_texts(statuses, n),
        numbers(first, "i4", two),
        some_texts(reasons, n),
        some_texts(errors, n),
    ]
    versioned = Versioned(verdicts.detector, version, _billionths(verdicts.thresholds), verdicts.flagged)
    return Judged(columns, versioned, lines)


def _place(words: list[str], word: str) -> int:
    if word not in words:
        words.append(word)
    return words.index(word)


def _billionths(shares: Numbers) -> NDArray[np.int64]:
    """As `columns_of` has shares, of each."""
    return np.where((shares >= 0.0) & (shares <= 1.0), np.rint(shares * 1e9), -1.0).astype(np.int64)
