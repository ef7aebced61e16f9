"""What other thresholds would have flagged: stored scores cut at fixed ones, beside what the detectors flagged."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from domain.verdict import DetectorName

USUAL_CUTS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
"""Scores to cut at where nobody asks for others."""
MOST_CUTS = 100


class Scores(NamedTuple):
    """So many verdicts of a detector whose score reaches the cut of number `cell` and no higher one; 0 is below all.

    `anomalous` is None where nothing is known of their transactions.
    """

    detector: DetectorName
    cell: int
    flagged: bool
    anomalous: bool | None
    verdicts: int


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """What is flagged at scores from `at` on, or was flagged where `at` is None.

    Of the `alerts`, `known` are of transactions whose truth is known, and `caught` of anomalous ones.
    """

    at: float | None
    alerts: int
    known: int
    caught: int

    @property
    def precision(self) -> float | None:
        """The share of what is known of the alerts that is anomalous; None where nothing is known of them."""
        return self.caught / self.known if self.known else None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One detector's `cuts` of `verdicts` verdicts over so many `days`, the first as it flagged itself.

    The truth is known of `known` transactions, of which `anomalous` are anomalous.
    """

    detector: DetectorName
    verdicts: int
    known: int
    anomalous: int
    days: float
    cuts: tuple[Cut, ...]

    def recall(self, cut: Cut) -> float | None:
        """The share of the known anomalies that is flagged; None before the first one."""
        return cut.caught / self.anomalous if self.anomalous else None

    def share(self, cut: Cut) -> float:
        """The share of all verdicts that is flagged, in [0, 1]."""
        return cut.alerts / self.verdicts if self.verdicts else 0.0

    def a_day(self, cut: Cut) -> float:
        """Alerts a day of event time; of less than a day as if it were one."""
        return cut.alerts / max(self.days, 1.0)


def compared(scores: Iterable[Scores], cuts: Sequence[float], days: float) -> tuple[Comparison, ...]:
    """Each detector's comparison, by name; `cuts` ascend."""
    every = list(scores)
    found = []
    for detector in sorted({each.detector for each in every}):
        own = [each for each in every if each.detector == detector]
        wanted: list[tuple[float | None, list[Scores]]] = [(None, [each for each in own if each.flagged])]
        wanted += [(at, [each for each in own if each.cell >= cell]) for cell, at in enumerate(cuts, start=1)]
        found.append(
            Comparison(
                detector=detector,
                verdicts=_sum(own),
                known=_sum(each for each in own if each.anomalous is not None),
                anomalous=_sum(each for each in own if each.anomalous),
                days=days,
                cuts=tuple(_cut(at, alerts) for at, alerts in wanted),
            )
        )
    return tuple(found)


def _cut(at: float | None, alerts: Sequence[Scores]) -> Cut:
    return Cut(
        at=at,
        alerts=_sum(alerts),
        known=_sum(each for each in alerts if each.anomalous is not None),
        caught=_sum(each for each in alerts if each.anomalous),
    )


def _sum(scores: Iterable[Scores]) -> int:
    return sum(each.verdicts for each in scores)
