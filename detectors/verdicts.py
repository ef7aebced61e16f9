"""Verdicts of one detector as columns: most are stored and counted, and never looked at one by one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from detectors.layout import Counts, Numbers
from domain.verdict import BANDS, DetectorName, Factor, Reason, Severity, Status, Verdict

_SEVERITIES = tuple(Severity)

NO_LINE = -1


class Brief(NamedTuple):
    """Reasons in a word or two: `first` and `second`, shape (n,), are places in `lines`; the first has `part` of the
    score, the second the rest, or there is `NO_LINE` of it."""

    lines: Sequence[tuple[str, Factor]]
    first: Counts
    second: Counts
    part: Numbers

    def reasons(self, number: int, score: float) -> tuple[Reason, ...]:
        """Those of one transaction; together they carry the whole score."""
        (feature, factor), second = self.lines[self.first[number]], int(self.second[number])
        if second == NO_LINE:
            return (Reason(feature, factor, score),)
        part = float(self.part[number])
        return (Reason(feature, factor, part), Reason(*self.lines[second], contribution=score - part))


class Verdicts(Sequence[Verdict]):
    """One detector's verdicts on n transactions, as columns; a `Verdict` is made when one is asked for.

    `whole` has, by place, those that say more than a score: they have sentences, are alerts or of another status. What
    it lacks is no alert and has the reasons of `brief`. `scores`, `thresholds`, `flagged` and `severities` (ranks) are
    of all, shape (n,).
    """

    def __init__(
        self,
        detector: DetectorName,
        version: str,
        scores: Numbers,
        thresholds: Numbers,
        brief: Brief | None,
        whole: Mapping[int, Verdict],
        status: Status = "ok",
    ) -> None:
        self.detector, self.version, self.status = detector, version, status
        self.scores, self.thresholds, self.brief, self.whole = scores, thresholds, brief, whole
        self.flagged: NDArray[np.bool_] = np.zeros(len(scores), np.bool_)
        self.severities: Counts = np.searchsorted(BANDS, scores, side="right")
        for number, verdict in whole.items():
            scores[number], thresholds[number] = verdict.score, verdict.threshold
            self.flagged[number], self.severities[number] = verdict.flagged, verdict.severity.rank

    @classmethod
    def of(cls, detector: DetectorName, version: str, verdicts: Sequence[Verdict]) -> "Verdicts":
        """Verdicts of one detector that may be there one by one."""
        if isinstance(verdicts, Verdicts):
            return verdicts
        n = len(verdicts)
        return cls(detector, version, np.zeros(n), np.ones(n), None, dict(enumerate(verdicts)))

    @classmethod
    def warming(cls, detector: DetectorName, n: int) -> "Verdicts":
        """Those of a detector without any history: it scores 0 and never flags."""
        return cls(detector, "warming", np.zeros(n), np.ones(n), None, {}, "warming")

    def __len__(self) -> int:
        return len(self.scores)

    @overload
    def __getitem__(self, number: int) -> Verdict: ...
    @overload
    def __getitem__(self, number: slice) -> list[Verdict]: ...
    def __getitem__(self, number: int | slice) -> Verdict | list[Verdict]:
        if isinstance(number, slice):
            return [self._at(place) for place in range(len(self))[number]]
        return self._at(range(len(self))[number])

    def __iter__(self) -> Iterator[Verdict]:
        return map(self._at, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _at(self, number: int) -> Verdict:
        verdict = self.whole.get(number)
        if verdict is not None:
            return verdict
        score = float(self.scores[number])
        return Verdict(
            detector=self.detector,
            score=score,
            threshold=float(self.thresholds[number]),
            flagged=False,
            severity=_SEVERITIES[self.severities[number]],
            model_version=self.version,
            status=self.status,
            reasons=() if self.brief is None else self.brief.reasons(number, score),
        )
