"""The console port onto an engine in the same process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial

import msgspec

from detectors.formats import STATE_VERSION
from detectors.models import Models
from detectors.state import UserState
from detectors.view import summary, view
from domain.comparison import MOST_CUTS, Comparison
from domain.engine import DeadLetter, FeedSlice, LiveCount, LogLine, Snapshot, WorkerAction
from domain.filters import Filter
from domain.profile import ProfileView, UserList, UserOrder, thinned
from domain.quality import DetectorQuality
from domain.timeline import MOST_EVENTS, TimelineEvent
from domain.triage import Decision, Triage, TriageEvent, TriageStatus, Undone
from domain.verdict import Counterfactual, ScoredTransaction
from services.console.bus import FEED_SIZE, Bus
from services.console.triage import TriageDesk
from services.process.logs import LogRing
from services.store.store import Store

COUNTED_AT_ONCE = 500
THRESHOLDS_READ = 500
THRESHOLDS_SHOWN = 64


class InProcessPort:
    """Implements `ConsolePort`; `logs` is what consoles see of the log, `models` gives the models in use, `explain` is
    what `services.models.explain` does."""

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        bus: Bus,
        store: Store,
        desk: TriageDesk,
        models: Callable[[], Models],
        explain: Callable[[str], Awaitable[Counterfactual | None]],
        logs: LogRing,
        control: Callable[[str, WorkerAction], Awaitable[None]],
        quit: Callable[[], None],
    ) -> None:
        self._snapshot = snapshot
        self._bus = bus
        self._store = store
        self._desk = desk
        self._models = models
        self._explain = explain
        self._logs = logs
        self._control = control
        self._quit = quit

    def snapshot(self) -> Snapshot:
        """The engine now."""
        return self._snapshot()

    def trouble(self) -> str:
        """Never any: the caller lives in the same process."""
        return ""

    def watch(self, filter: Filter, rows: int) -> None:
        """Every row can be had here."""

    def feed(self, after: int, limit: int) -> FeedSlice:
        """At most `limit` newest transactions after `after`."""
        return self._bus.newest(after, limit)

    def anomalies(self, after: int, limit: int) -> FeedSlice:
        """At most `limit` newest flagged transactions after `after`."""
        return self._bus.anomalies.since(after, limit)

    def triage_changes(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """Newest events of transactions triaged lately, oldest first."""
        return self._desk.since(after, limit)

    def logs(self, limit: int) -> tuple[LogLine, ...]:
        """The newest log lines, oldest first."""
        return self._logs.lines(limit)

    async def count_live(self, filter: Filter) -> LiveCount:
        """How many of the transactions in memory match, counted between other work."""
        rows = self._bus.feed.newest(FEED_SIZE)
        matches = 0
        for first in range(0, len(rows), COUNTED_AT_ONCE):
            matches += sum(map(filter.matches, rows[first : first + COUNTED_AT_ONCE]))
            await asyncio.sleep(0)
        return LiveCount(matches, len(rows))

    async def profile(self, user_id: str) -> ProfileView | None:
        """The user's committed profile, or None."""
        encoded = await self._store.profile(user_id, STATE_VERSION)
        models = self._models()
        if encoded is None or models.enhanced is None:
            return None
        thresholds = await self._store.users.thresholds(user_id, THRESHOLDS_READ)
        seen = view(user_id, UserState.from_bytes(encoded), models.enhanced, models.feedback)
        return msgspec.structs.replace(seen, thresholds=thinned(thresholds, THRESHOLDS_SHOWN))

    async def users(self, order: UserOrder, limit: int, prefix: str, filter: Filter) -> UserList:
        """Users with a profile; none while the enhanced detector is switched off."""
        models = self._models()
        if models.enhanced is None:
            return UserList()
        described = partial(summary, model=models.enhanced, feedback=models.feedback)
        found = await self._store.users.listed(order, limit + 1, STATE_VERSION, prefix=prefix, filter=filter)
        shown = await asyncio.to_thread(
            lambda: [described(user, UserState.from_bytes(state)) for user, state in found[:limit]]
        )
        return UserList(tuple(shown), more=len(found) > limit)

    async def quality(self, since: datetime | None) -> tuple[DetectorQuality, ...]:
        """Stored verdicts against ground truth."""
        return await self._store.quality(since)

    async def compare_thresholds(self, since: datetime | None, cuts: Sequence[float]) -> tuple[Comparison, ...]:
        """What thresholds at these scores would have flagged of what is stored."""
        return await self._store.truth.compared(since, cuts[:MOST_CUTS])

    async def history(self, filter: Filter, limit: int) -> tuple[ScoredTransaction, ...]:
        """Stored transactions that match, newest first."""
        return await self._store.history(filter, limit)

    async def stored_anomalies(
        self, filter: Filter, before: datetime | None, limit: int
    ) -> tuple[ScoredTransaction, ...]:
        """Stored flagged transactions that match, up to the event time `before`."""
        return await self._store.stored_anomalies(filter, before, limit)

    async def triage_of(self, ids: Sequence[str]) -> dict[str, Triage]:
        """The decisions on these transactions."""
        return await self._store.triage.of(ids)

    async def triage_log(self, transaction_id: str) -> tuple[TriageEvent, ...]:
        """What was done to one transaction, newest first."""
        return await self._store.triage.log(transaction_id)

    async def explain(self, transaction_id: str) -> Counterfactual | None:
        """The smallest change that would have left a flagged transaction unflagged."""
        return await self._explain(transaction_id)

    async def decide(
        self,
        ids: Sequence[str],
        status: TriageStatus | None,
        until: datetime | None = None,
        note: str | None = None,
        *,
        by: str,
    ) -> Decision:
        """Decide on these transactions in one step. Raises ValueError."""
        return await self._desk.decide(ids, status, until, note, by)

    async def undo(self, by: str, step: int | None = None) -> Undone | None:
        """Take back a step, by default the last of `by` that still stands."""
        return await self._desk.undo(by, step)

    async def matching(self, filter: Filter, limit: int) -> tuple[str, ...]:
        """The ids of open anomalies that match, newest first; a filter that is about triage says which instead."""
        return await self._store.triage.matching(filter, limit, self._bus.clock.now)

    async def count_matching(self, filter: Filter) -> int:
        """How many there are of what `matching` finds."""
        return await self._store.triage.count_matching(filter, self._bus.clock.now)

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        """The newest dead letters, newest first."""
        return await self._store.dead_letters(limit)

    async def events(self, since: datetime | None, limit: int) -> tuple[TimelineEvent, ...]:
        """What changed later than `since`, newest first."""
        return await self._store.timeline.newest(since, min(max(limit, 0), MOST_EVENTS))

    async def control(self, worker: str, action: WorkerAction) -> None:
        """Start, stop or restart one worker. Raises KeyError."""
        await self._control(worker, action)

    async def quit(self) -> None:
        """Ask the engine to shut down cleanly."""
        self._quit()
