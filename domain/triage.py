"""Analysts' decisions on transactions, and which of them still count."""

from datetime import datetime
from enum import StrEnum

import msgspec

MAX_NOTE = 1_000
"""Characters of a note."""
MAX_AT_ONCE = 10_000
"""Transactions that one decision may cover."""
BY_BUDGET = "budget"
"""Who 'decided' where nobody did: the alert is on this side of the budget, or beyond it."""


class TriageStatus(StrEnum):
    """The states of an anomaly's triage; the first is where every one begins.

    No person gives the last one: it is that of alerts beyond the budget, and no more than a place in the queue.
    """

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED = "confirmed"
    FALSE_POSITIVE = "false_positive"
    SNOOZED = "snoozed"
    OVER_BUDGET = "over_budget"


class Triage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The decision on one transaction: by whom, when, and a note that is empty where nobody wrote one.

    `until` is the end of a snooze, or of the leniency that a false positive asks for; None otherwise.
    """

    transaction_id: str
    status: TriageStatus
    until: datetime | None = None
    note: str = ""
    decided_by: str
    decided_at: datetime

    def effective(self, now: datetime) -> TriageStatus:
        """The status at `now`: a snooze that is over is open again, without anybody having to write that down."""
        if self.status is TriageStatus.SNOOZED and (self.until is None or self.until <= now):
            return TriageStatus.OPEN
        return self.status


def is_open(triage: Triage | None, now: datetime) -> bool:
    """Whether an anomaly with this decision, or none, still waits for somebody at `now`."""
    return triage is None or triage.effective(now) is TriageStatus.OPEN


class TriageEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the triage log: what somebody did to one transaction.

    `sequence` rises in the order of commits. `before` and `after` are the decision as it was and as it became, None
    for no decision. Lines of one action share a `step`; `undoes` names the step that this one took back.
    """

    sequence: int
    at: datetime
    decided_by: str
    action: str
    transaction_id: str
    before: Triage | None
    after: Triage | None
    step: int
    undoes: int | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What one action did: its lines in the log, and the ids that it passed over.

    `unknown` are not stored, `unchanged` had this very decision before. `step` is None when there was nothing to do.
    """

    step: int | None
    events: tuple[TriageEvent, ...]
    unknown: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """What an undo took back: the action, its lines in the log, and how many were kept because of a later decision."""

    action: str
    events: tuple[TriageEvent, ...]
    kept: int
