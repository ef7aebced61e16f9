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


class ScoreBand(msgspec.Struct, frozen=True):
    """What became of the scores of one tenth, from `low` on: how many `verdicts`, the mean of their scores, which is
    the share of anomalies that they `estimated`, and how many were `anomalous`."""

    low: float
    verdicts: int
    estimated: float
    anomalous: int

    @property
    def realised(self) -> float:
        """The share that was anomalous, in [0, 1]."""
        return self.anomalous / self.verdicts if self.verdicts else 0.0


class DetectorQuality(msgspec.Struct, frozen=True, kw_only=True):
    """One detector's verdicts against ground truth; verdicts given while warming up are not counted.

    `labelled` transactions have ground truth, `anomalous` of them are anomalies; `flagged` were flagged and
    `caught` both. `kinds` is by kind of anomaly, the most frequent first. `bands` is the reliability diagram, and
    `estimated` the precision by the scores of what was flagged, None before anything was.
    """

    detector: DetectorName
    labelled: int
    anomalous: int
    flagged: int
    caught: int
    kinds: tuple[KindRecall, ...] = ()
    bands: tuple[ScoreBand, ...] = ()
    estimated: float | None = None

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


def tenth(score: float) -> int:
    """Which tenth of [0, 1] a score lies in, from 0."""
    return min(int(score * 10 + 1e-9), 9)


class Scoreboard:
    """Counts verdicts against ground truth, by detector and kind."""

    def __init__(self) -> None:
        self._counts: dict[tuple[DetectorName, str | None], list[int]] = {}
        self._bands: dict[tuple[DetectorName, int], list[float]] = {}
        self._promised: dict[DetectorName, float] = {}

    def count(
        self,
        detector: DetectorName,
        anomalous: bool,
        kind: str | None,
        *,
        flagged: int,
        verdicts: int = 1,
        score: float | None = None,
    ) -> None:
        """Add `verdicts` verdicts on transactions of one kind, of which `flagged` flagged theirs.

        `score` is the mean of theirs, which all lie within one tenth; None where it is not known.
        """
        if score is not None:
            band = self._bands.setdefault((detector, tenth(score)), [0, 0.0, 0])
            band[0] += verdicts
            band[1] += score * verdicts
            band[2] += verdicts if anomalous else 0
            self._promised[detector] = self._promised.get(detector, 0.0) + score * flagged
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
        flagged = sum(flagged for _, flagged in own.values())
        bands = sorted((tenth, counts) for (name, tenth), counts in self._bands.items() if name == detector)
        return DetectorQuality(
            bands=tuple(
                ScoreBand(tenth / 10, int(verdicts), scores / verdicts, int(anomalous))
                for tenth, (verdicts, scores, anomalous) in bands
            ),
            estimated=self._promised[detector] / flagged if flagged and detector in self._promised else None,
            detector=detector,
            labelled=sum(verdicts for verdicts, _ in own.values()),
            anomalous=sum(kind.anomalous for kind in kinds),
            flagged=flagged,
            caught=sum(kind.caught for kind in kinds),
            kinds=kinds,
        )
