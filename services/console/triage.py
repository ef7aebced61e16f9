"""What of triage the engine keeps in memory: the newest decisions, and how many anomalies are open."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from domain.triage import Decision, TriageEvent, TriageStatus, Undone, is_open
from services.console.bus import Bus
from services.console.recent import RecentEvents
from services.store.faults import Transient
from services.store.triage import Decisions

_PAGE = 5_000
_COUNT_EVERY = 5.0
_COUNT_SHARE = 0.05


class TriageDesk:
    """Decides, and learns what was decided here and by other engines on the same database.

    `start` first: it takes the log from there on, since nothing that was decided before is in this engine's rings.
    """

    def __init__(self, decisions: Decisions, bus: Bus, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._decisions = decisions
        self._bus = bus
        self._monotonic = monotonic
        self._recent = RecentEvents()
        self._sequence = 0
        self._refreshing = asyncio.Lock()
        self._counted: int | None = None
        self._anomalous_then = 0
        self._count_at = 0.0

    async def start(self) -> None:
        """Go on from the newest line of the log."""
        self._sequence = await self._decisions.newest()

    @property
    def open_anomalies(self) -> int | None:
        """Stored anomalies that are open: counted every few seconds, and moved by what was seen since.

        None before the first count.
        """
        if self._counted is None:
            return None
        return max(0, self._counted + self._bus.anomalous - self._anomalous_then)

    def since(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """The newest event of each transaction, at most `limit` of them above `after`, oldest first."""
        return self._recent.since(after, limit)

    async def decide(
        self, ids: Sequence[str], status: TriageStatus | None, until: datetime | None, note: str | None, by: str
    ) -> Decision:
        """As `Decisions.decide`; consoles know of it when this returns."""
        with _said_clearly():
            decision = await self._decisions.decide(ids, status, until, note, by)
        await self._tell()
        return decision

    async def undo(self, by: str, step: int | None) -> Undone | None:
        """As `Decisions.undo`; consoles know of it when this returns."""
        with _said_clearly():
            undone = await self._decisions.undo(by, step)
        await self._tell()
        return undone

    async def keep_up(self) -> None:
        """Read other engines' decisions, and count open anomalies again when that is due. Raises `faults` errors."""
        await self._refresh()
        if self._monotonic() < self._count_at:
            return
        began = self._monotonic()
        # Taken before the count: what is committed meanwhile may count twice until the next one, never not at all.
        anomalous = self._bus.anomalous
        self._counted = await self._decisions.count_open(self._bus.clock.now)
        self._anomalous_then = anomalous
        took = self._monotonic() - began
        uncertain = self._bus.anomalous != anomalous
        self._count_at = began + max(0.0 if uncertain else _COUNT_EVERY, took / _COUNT_SHARE)

    async def _tell(self) -> None:
        # It is stored; if PostgreSQL leaves at this moment, consoles hear of it when it is back.
        with contextlib.suppress(Transient):
            await self._refresh()

    async def _refresh(self) -> None:
        async with self._refreshing:
            while True:
                events = await self._decisions.since(self._sequence, _PAGE)
                if events:
                    self._learn(events)
                if len(events) < _PAGE:
                    return

    def _learn(self, events: Sequence[TriageEvent]) -> None:
        now = self._bus.clock.now
        self._recent.add(events)
        if self._counted is not None:
            self._counted += sum(is_open(event.after, now) - is_open(event.before, now) for event in events)
        self._bus.triaged({event.transaction_id: event.after for event in events})
        self._sequence = events[-1].sequence


@contextlib.contextmanager
def _said_clearly() -> Iterator[None]:
    """Say in the error what to do: an analyst waits for the answer, and nothing retries it as it does a batch."""
    try:
        yield
    except Transient as error:
        raise Transient(f"PostgreSQL does not answer, try again ({error})") from error
