"""What a detector says of a transaction, and why."""

from bisect import bisect_right
from datetime import datetime
from enum import StrEnum
from typing import Literal, get_args

import msgspec

from domain.transaction import GroundTruth, Transaction
from domain.triage import Triage

Factor = Literal["amount", "location", "time", "merchant", "frequency", "device", "payment", "other"]
"""What a reason is about; "other" is what a score holds besides its reasons."""

DetectorName = Literal["basic", "enhanced"]
DETECTORS: tuple[DetectorName, ...] = get_args(DetectorName)
DetectorChoice = Literal["basic", "enhanced", "both"]
Status = Literal["ok", "warming", "backfilled", "error"]


BANDS = (0.5, 0.7, 0.9)
"""Where the score's bands begin, but for the first."""


class Severity(StrEnum):
    """Bands of the public score: < .5 normal, .5-.7 unusual, .7-.9 suspicious, >= .9 critical.

    What is flagged is at least unusual.
    """

    NORMAL = "normal"
    UNUSUAL = "unusual"
    SUSPICIOUS = "suspicious"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for normal to 3 for critical, for ordering."""
        return _RANK[self]

    @staticmethod
    def of(score: float) -> "Severity":
        """The band of a score in [0, 1]."""
        return _SEVERITIES[bisect_right(BANDS, score)]

    @staticmethod
    def of_verdict(score: float, flagged: bool) -> "Severity":
        """The band of a verdict: of an alert it is never normal."""
        return Severity.UNUSUAL if flagged and score < BANDS[0] else Severity.of(score)


def urgency(score: float) -> int:
    """The place of an alert with this score in a queue, highest first: by severity, then by the score as it is shown.

    It counts in billionths, as scores are stored, so that it comes out the same in SQL and in the browser.
    """
    billionths = round(score * 1e9)
    return 1_000 * bisect_right(BANDS, billionths / 1e9) + (billionths + 5_000_000) // 10_000_000


_SEVERITIES = tuple(Severity)
_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class Reason(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One feature's share of a score: what was observed against what was expected.

    `contribution` is in score units; the contributions of a verdict sum to its score. `text` is the plain
    sentence an analyst reads ("9,200.00 EUR is 11 times what this user usually spends (830.00 EUR)"). The factor
    "other" is what is left of the score besides the reasons.
    """

    feature: str
    factor: Factor
    contribution: float
    observed: str = ""
    expected: str = ""
    text: str = ""


class Counterfactual(msgspec.Struct, frozen=True):
    """The smallest change of one field with which a transaction would not have been flagged.

    `value` is what `field` would have been; `text` is the plain sentence ("not flagged at 212.40 EUR or less").
    """

    field: str
    value: str
    text: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One detector's judgement of one transaction.

    `score`, the estimate of how likely the transaction is anomalous, and `threshold` are in [0, 1]; `flagged` is
    score >= threshold once the model is past warm-up.
    `status` is "ok"; "warming" while there is too little history to flag; "backfilled" when what was stored then
    was judged afterwards, by the first model that was fitted; "error" when the detector raised.
    """

    detector: DetectorName
    score: float
    threshold: float
    flagged: bool
    severity: Severity
    model_version: str
    status: Status = "ok"
    reasons: tuple[Reason, ...] = ()
    error: str | None = None

    def worth(self, score: float) -> "Verdict":
        """This verdict as one of another score."""
        part = score / self.score if self.score > 0.0 else 0.0
        reasons = (msgspec.structs.replace(each, contribution=each.contribution * part) for each in self.reasons)
        severity = Severity.of_verdict(score, self.flagged)
        return msgspec.structs.replace(self, score=score, severity=severity, reasons=tuple(reasons))


class ScoredTransaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A committed transaction with its verdicts, numbered in order of commit within one engine.

    `sequence` is monotonic and never reused while the engine lives, so that cursor and selection survive
    eviction from any ring. `truth` is shown beside verdicts, never before them. `triage` is the decision on it,
    None before the first.
    """

    sequence: int
    transaction: Transaction
    verdicts: tuple[Verdict, ...]
    stored_at: datetime
    truth: GroundTruth | None = None
    triage: Triage | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The leading verdict: the enhanced detector's where there is one."""
        best = None
        for verdict in self.verdicts:
            if best is None or verdict.detector == "enhanced":
                best = verdict
        return best

    @property
    def headline(self) -> Verdict | None:
        """The verdict a row is listed under: the leading one, unless only another detector flagged it.

        What only another one flagged is worth what the leading one makes of it, which knows the user: it is listed with
        that score, of which its reasons carry the same parts.
        """
        leading = self.verdict
        if leading is None or leading.flagged or not self.flagged:
            return leading
        only = max((verdict for verdict in self.verdicts if verdict.flagged), key=lambda verdict: verdict.score)
        return only if leading.status not in ("ok", "backfilled") else only.worth(leading.score)

    @property
    def flagged(self) -> bool:
        """Whether any detector flagged it."""
        return any(verdict.flagged for verdict in self.verdicts)

    @property
    def alerted(self) -> bool:
        """Whether any detector flagged it as it came: what is judged afterwards is no alert."""
        return any(verdict.flagged and verdict.status != "backfilled" for verdict in self.verdicts)

    @property
    def disagreed(self) -> bool:
        """Whether one detector flagged what the other did not."""
        return len({verdict.flagged for verdict in self.verdicts}) > 1
