"""How well detectors do where the truth is known: counts, and the figures read off them."""

import msgspec

from domain.verdict import DetectorName

OTHER_KIND = "other"
"""Anomalies without a kind, and those of kinds seen after `MOST_COUNTS` others."""

MOST_COUNTS = 100
"""Pairs of detector and kind that are counted apart: a producer that invents kinds must not fill the memory."""


class KindRecall(msgspec.Struct, frozen=True):
    """Of `anomalous` transactions of one kind, how many were flagged."""

    kind: str
    anomalous: int
    caught: int

    @property
    def recall(self) -> float:
        """The share that was flagged, in [0, 1]."""
        return self.caught / self.anomalous if self.anomalous else 0.0


class DetectorQuality(msgspec.Struct, frozen=True, kw_only=True):
    """One detector's verdicts against ground truth; verdicts given while warming up are not counted.

    `labelled` transactions have ground truth, `anomalous` of them are anomalies; `flagged` were flagged and
    `caught` both. `kinds` is by kind of anomaly, the most frequent first.
    """

    detector: DetectorName
    labelled: int
    anomalous: int
    flagged: int
    caught: int
    kinds: tuple[KindRecall, ...] = ()

    @property
    def precision(self) -> float | None:
        """The share of what was flagged that is anomalous; None before anything was flagged."""
        return self.caught / self.flagged if self.flagged else None

    @property
    def recall(self) -> float | None:
        """The share of anomalies that was flagged; None before the first anomaly."""
        return self.caught / self.anomalous if self.anomalous else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None where either has no value."""
        precision, recall = self.precision, self.recall
        if precision is None or recall is None:
            return None
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    @property
    def alert_rate(self) -> float:
        """The share of labelled transactions that was flagged, in [0, 1]."""
        return self.flagged / self.labelled if self.labelled else 0.0


class Scoreboard:
    """Counts verdicts against ground truth, by detector and kind."""

    def __init__(self) -> None:
        self._counts: dict[tuple[DetectorName, str | None], list[int]] = {}

    def count(
        self, detector: DetectorName, anomalous: bool, kind: str | None, *, flagged: int, verdicts: int = 1
    ) -> None:
        """Add `verdicts` verdicts on transactions of one kind, of which `flagged` flagged theirs."""
        key = (detector, (kind or OTHER_KIND) if anomalous else None)
        if key not in self._counts and len(self._counts) >= MOST_COUNTS:
            key = (detector, OTHER_KIND if anomalous else None)
        counts = self._counts.setdefault(key, [0, 0])
        counts[0] += verdicts
        counts[1] += flagged

    @property
    def qualities(self) -> tuple[DetectorQuality, ...]:
        """Every detector that was counted, by name."""
        return tuple(self._of(detector) for detector in sorted({detector for detector, _ in self._counts}))

    def _of(self, detector: DetectorName) -> DetectorQuality:
        own = {kind: counts for (name, kind), counts in self._counts.items() if name == detector}
        kinds = tuple(
            KindRecall(kind, verdicts, flagged)
            for kind, (verdicts, flagged) in sorted(own.items(), key=lambda item: (-item[1][0], item[0] or ""))
            if kind is not None
        )
        return DetectorQuality(
            detector=detector,
            labelled=sum(verdicts for verdicts, _ in own.values()),
            anomalous=sum(kind.anomalous for kind in kinds),
            flagged=sum(flagged for _, flagged in own.values()),
            caught=sum(kind.caught for kind in kinds),
            kinds=kinds,
        )
