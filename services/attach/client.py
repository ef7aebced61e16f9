"""The console port onto an engine in another process."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from domain.comparison import Comparison
from domain.engine import DeadLetter, FeedSlice, LiveCount, LogLine, Snapshot, WorkerAction
from domain.filters import EVERYTHING, Filter
from domain.profile import ProfileView, UserList, UserOrder
from domain.quality import DetectorQuality
from domain.sanitize import sanitize
from domain.timeline import TimelineEvent
from domain.triage import Decision, Triage, TriageEvent, TriageStatus, Undone
from domain.verdict import Counterfactual, ScoredTransaction
from services.attach.link import ANSWER_WITHIN, SILENT, Link, NotConnected
from services.attach.mirror import Mirror
from services.attach.protocol import Subscribe, Update, Watch
from services.attach.subscription import DEFAULT_ROWS

log = structlog.get_logger("attach")

FIRST_BACKOFF = 0.25
LONGEST_BACKOFF = 5.0
SILENT_FOR = 5.0
"""Seconds without an update, and intervals besides, after which an engine that is connected counts as lost."""
_COUNTING_WITHIN = 180.0
_CONTROL_WITHIN = 60.0


class RemotePort:
    """Implements `ConsolePort`. Reads come from a copy that the engine keeps up to date `hz` times a second.

    `find` returns where the engine listens, or raises NotConnected where there is none. A connection that is lost is
    made again and again, with growing pauses; meanwhile `trouble` says so and questions raise NotConnected. An
    engine that was started again is another one: both feeds start over.
    """

    def __init__(self, find: Callable[[], Path], hz: float) -> None:
        self._find = find
        self._hz = hz
        self._mirror = Mirror()
        self._watched = Watch(EVERYTHING, DEFAULT_ROWS)
        self._link: Link | None = None
        self._trouble = ""
        self._updated = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and wait for the first update. Raises NotConnected."""
        link = await Link.open(self._find())
        self._keeping = asyncio.create_task(self._keep(link))
        updated = asyncio.create_task(self._updated.wait())
        await asyncio.wait({self._keeping, updated}, timeout=SILENT_FOR, return_when=asyncio.FIRST_COMPLETED)
        updated.cancel()
        if not self._updated.is_set():
            await self.stop()
            raise NotConnected(self._trouble or SILENT)

    async def stop(self) -> None:
        """Hang up; the engine goes on."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def _keep(self, link: Link) -> None:
        """Stay connected for ever."""
        pause = FIRST_BACKOFF
        while True:
            try:
                await self._follow(link)
            except NotConnected as error:
                log.warning("lost the engine", reason=str(error))
                self._trouble = _again(error)
            pause = FIRST_BACKOFF
            while True:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - keeps consoles apart
                pause = min(pause * 2, LONGEST_BACKOFF)
                try:
                    link = await Link.open(self._find())
                    break
                except NotConnected as error:
                    self._trouble = _again(error)

    async def _follow(self, link: Link) -> None:
        try:
            link.send(Subscribe(self._hz, self._mirror.mark))
            link.send(self._watched)
            self._link = link
            await link.listen(self._take, SILENT_FOR + 2 / self._hz)
        finally:
            self._link = None
            link.close()

    def _take(self, update: Update) -> None:
        self._mirror.apply(update)
        self._trouble = ""
        self._updated.set()

    async def _ask(self, method: str, deadline: float = ANSWER_WITHIN, **arguments: Any) -> Any:
        if self._link is None:
            raise NotConnected(self._trouble)
        return await self._link.ask(method, arguments, deadline)

    def trouble(self) -> str:
        """Why the engine is not heard from, empty while it is."""
        return self._trouble

    def snapshot(self) -> Snapshot:
        """The engine as it said last."""
        return self._mirror.snapshot

    def watch(self, filter: Filter, rows: int) -> None:
        """Have only what matches sent, and no more of it than can be shown."""
        if filter.text != self._watched.filter.text or rows != self._watched.rows:
            self._watched = Watch(filter, rows)
            if self._link is not None:
                self._link.send(self._watched)

    def feed(self, after: int, limit: int) -> FeedSlice:
        """At most `limit` newest transactions that were sent after `after`."""
        return self._mirror.feed.since(after, limit)

    def anomalies(self, after: int, limit: int) -> FeedSlice:
        """At most `limit` newest flagged transactions after `after`."""
        return self._mirror.anomalies.since(after, limit)

    def triage_changes(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """Newest events of transactions triaged lately, oldest first."""
        return self._mirror.events.since(after, limit)

    def logs(self, limit: int) -> tuple[LogLine, ...]:
        """The newest log lines of the engine, oldest first."""
        return tuple(self._mirror.logs)[-limit:] if limit > 0 else ()

    async def count_live(self, filter: Filter) -> LiveCount:
        """How many of the transactions that the engine holds in memory match."""
        count: LiveCount = await self._ask("count_live", filter=filter)
        return count

    async def profile(self, user_id: str) -> ProfileView | None:
        """The user's committed profile, or None."""
        found: ProfileView | None = await self._ask("profile", user_id=user_id)
        return found

    async def users(self, order: UserOrder, limit: int, prefix: str, filter: Filter) -> UserList:
        """At most `limit` users whose id begins with `prefix` and who have a transaction that matches."""
        found: UserList = await self._ask("users", order=order, limit=limit, prefix=prefix, filter=filter)
        return found

    async def quality(self, since: datetime | None) -> tuple[DetectorQuality, ...]:
        """Stored verdicts against ground truth."""
        found: tuple[DetectorQuality, ...] = await self._ask("quality", _COUNTING_WITHIN, since=since)
        return found

    async def compare_thresholds(self, since: datetime | None, cuts: Sequence[float]) -> tuple[Comparison, ...]:
        """What thresholds at these scores would have flagged of what is stored."""
        found: tuple[Comparison, ...] = await self._ask("compare_thresholds", _COUNTING_WITHIN, since=since, cuts=cuts)
        return found

    async def history(self, filter: Filter, limit: int) -> tuple[ScoredTransaction, ...]:
        """Stored transactions that match, newest first."""
        found: tuple[ScoredTransaction, ...] = await self._ask("history", filter=filter, limit=limit)
        return found

    async def stored_anomalies(
        self, filter: Filter, before: datetime | None, limit: int
    ) -> tuple[ScoredTransaction, ...]:
        """Stored flagged transactions that match, up to the event time `before`."""
        found: tuple[ScoredTransaction, ...] = await self._ask(
            "stored_anomalies", filter=filter, before=before, limit=limit
        )
        return found

    async def triage_of(self, ids: Sequence[str]) -> dict[str, Triage]:
        """The decisions on these transactions."""
        found: dict[str, Triage] = await self._ask("triage_of", ids=ids)
        return found

    async def triage_log(self, transaction_id: str) -> tuple[TriageEvent, ...]:
        """What was done to one transaction, newest first."""
        found: tuple[TriageEvent, ...] = await self._ask("triage_log", transaction_id=transaction_id)
        return found

    async def explain(self, transaction_id: str) -> Counterfactual | None:
        """The smallest change that would have left a flagged transaction unflagged."""
        found: Counterfactual | None = await self._ask("explain", transaction_id=transaction_id)
        return found

    async def decide(
        self,
        ids: Sequence[str],
        status: TriageStatus | None,
        until: datetime | None = None,
        note: str | None = None,
        *,
        by: str,
    ) -> Decision:
        """Decide in one step; the engine knows by itself whose process this is. Raises ValueError."""
        decided: Decision = await self._ask("decide", ids=ids, status=status, until=until, note=note, by=by)
        return decided

    async def undo(self, by: str, step: int | None = None) -> Undone | None:
        """Take back a step, by default the last of this user that still stands."""
        undone: Undone | None = await self._ask("undo", by=by, step=step)
        return undone

    async def matching(self, filter: Filter, limit: int) -> tuple[str, ...]:
        """The ids of open anomalies that match, newest first; a filter that is about triage says which instead."""
        found: tuple[str, ...] = await self._ask("matching", filter=filter, limit=limit)
        return found

    async def count_matching(self, filter: Filter) -> int:
        """How many there are of what `matching` finds."""
        count: int = await self._ask("count_matching", filter=filter)
        return count

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        """The newest dead letters, newest first."""
        found: tuple[DeadLetter, ...] = await self._ask("dead_letters", limit=limit)
        return found

    async def events(self, since: datetime | None, limit: int) -> tuple[TimelineEvent, ...]:
        """What changed later than `since`, newest first."""
        found: tuple[TimelineEvent, ...] = await self._ask("events", since=since, limit=limit)
        return found

    async def control(self, worker: str, action: WorkerAction) -> None:
        """Start, stop or restart one worker. Raises KeyError."""
        await self._ask("control", _CONTROL_WITHIN, worker=worker, action=action)

    async def quit(self) -> None:
        """Ask the engine to shut down cleanly."""
        await self._ask("quit")


def _again(error: NotConnected) -> str:
    return f"{sanitize(error.brief)}; trying again"
