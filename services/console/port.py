"""The one interface between a console and the engine it shows.

Everything a console may ask is listed in `ConsolePort`. What it answers are the frozen values of `domain`, so that an
engine in the same process and a remote daemon look the same to the screens.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.comparison import Comparison
from domain.engine import DeadLetter, FeedSlice, LiveCount, LogLine, Snapshot, WorkerAction
from domain.filters import Filter
from domain.profile import ProfileView, UserList, UserOrder
from domain.quality import DetectorQuality
from domain.timeline import TimelineEvent
from domain.triage import Decision, Triage, TriageEvent, TriageStatus, Undone
from domain.verdict import Counterfactual, ScoredTransaction


class ConsolePort(Protocol):
    """What a console may ask of an engine. Reads of rings and snapshots never wait; queries may."""

    def snapshot(self) -> Snapshot:
        """The engine now."""
        ...

    def trouble(self) -> str:
        """Why the engine is not heard from, in one line; empty while it is. Everything else is then as it last said."""
        ...

    def watch(self, filter: Filter, rows: int) -> None:
        """Say what of the feed is shown: rows that match, and how many of them fit.

        `feed` may leave out the others from now on. An engine in the same process leaves out nothing.
        """
        ...

    def feed(self, after: int, limit: int) -> FeedSlice:
        """At most `limit` newest transactions after `after`: 0, or the `upto` of the slice before."""
        ...

    def anomalies(self, after: int, limit: int) -> FeedSlice:
        """At most `limit` newest flagged transactions after `after`, whatever `watch` asked for."""
        ...

    def triage_changes(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """Newest event of each transaction triaged lately, at most `limit` of a sequence above `after`, oldest first.

        Rows of `feed` and `anomalies` carry the decision as it was when they were pulled; these events came later.
        """
        ...

    def logs(self, limit: int) -> tuple[LogLine, ...]:
        """The newest log lines, oldest first."""
        ...

    async def count_live(self, filter: Filter) -> LiveCount:
        """How many of the transactions that the engine holds in memory match."""
        ...

    async def profile(self, user_id: str) -> ProfileView | None:
        """The user's committed profile, or None for a user never seen."""
        ...

    async def users(self, order: UserOrder, limit: int, prefix: str, filter: Filter) -> UserList:
        """At most `limit` users whose id begins with `prefix` and who have a transaction that matches `filter`."""
        ...

    async def quality(self, since: datetime | None) -> tuple[DetectorQuality, ...]:
        """Stored verdicts against ground truth, from event time `since` on; it may take seconds."""
        ...

    async def compare_thresholds(self, since: datetime | None, cuts: Sequence[float]) -> tuple[Comparison, ...]:
        """What thresholds at these scores would have flagged of what is stored; it may take seconds."""
        ...

    async def history(self, filter: Filter, limit: int) -> tuple[ScoredTransaction, ...]:
        """Stored transactions that match, newest first; their `sequence` is negative (not from this run)."""
        ...

    async def stored_anomalies(
        self, filter: Filter, before: datetime | None, limit: int
    ) -> tuple[ScoredTransaction, ...]:
        """Stored flagged transactions that match, up to the event time `before`: quick even where few of many match."""
        ...

    async def triage_of(self, ids: Sequence[str]) -> dict[str, Triage]:
        """The decisions on these transactions; those without one are left out."""
        ...

    async def triage_log(self, transaction_id: str) -> tuple[TriageEvent, ...]:
        """What was done to one transaction, newest first."""
        ...

    async def explain(self, transaction_id: str) -> Counterfactual | None:
        """The smallest change of one field that would have left a flagged transaction unflagged, if there is one."""
        ...

    async def decide(
        self,
        ids: Sequence[str],
        status: TriageStatus | None,
        until: datetime | None = None,
        note: str | None = None,
        *,
        by: str,
    ) -> Decision:
        """Decide on these transactions in one step, as user `by` of the operating system.

        `until` ends a snooze (which needs one) or the leniency of a false positive. `status` None keeps the status and
        writes only the note; `note` None keeps the note. Ids that are not stored, or have this very decision already,
        are passed over and named.

        Raises: ValueError for what cannot be decided.
        """
        ...

    async def undo(self, by: str, step: int | None = None) -> Undone | None:
        """Take back a step, by default the last of `by` that still stands; None when there is nothing to take back."""
        ...

    async def matching(self, filter: Filter, limit: int) -> tuple[str, ...]:
        """The ids of open anomalies that match, newest first; a filter that is about triage says which instead."""
        ...

    async def count_matching(self, filter: Filter) -> int:
        """How many there are of what `matching` finds."""
        ...

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        """The newest dead letters, newest first."""
        ...

    async def events(self, since: datetime | None, limit: int) -> tuple[TimelineEvent, ...]:
        """What changed later than `since`, newest first: restarts, outages, fits, rebalances, losses, decisions."""
        ...

    async def control(self, worker: str, action: WorkerAction) -> None:
        """Start, stop or restart one worker. Raises KeyError for a name not in the snapshot."""
        ...

    async def quit(self) -> None:
        """Ask the engine to shut down cleanly."""
        ...
