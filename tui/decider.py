"""Triage decisions: they are sent to the engine one by one, and each is confirmed in a notification."""

import asyncio
import getpass
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.sanitize import sanitize
from domain.triage import TriageEvent, TriageStatus
from domain.verdict import ScoredTransaction
from services.errors import reason_of
from tui import cells, keymap
from tui.console import Console

TOGETHER = timedelta(seconds=1)
"""Decisions that follow each other within this time share one notification."""
_REMEMBERED = 1_000

DONE = {
    "note": "note written",
    TriageStatus.OPEN.value: "opened again",
    TriageStatus.ACKNOWLEDGED.value: "acknowledged",
    TriageStatus.CONFIRMED.value: "confirmed as fraud",
    TriageStatus.FALSE_POSITIVE.value: "marked false positive",
    TriageStatus.SNOOZED.value: "snoozed",
    TriageStatus.OVER_BUDGET.value: "over budget",
}
"""The words for each action of the triage log, once it is done."""


def subject_of(row: ScoredTransaction) -> str:
    """The user and amount of a transaction, in a few words."""
    transaction = row.transaction
    return sanitize(
        f"{transaction.user_id} {cells.money(transaction.amount, transaction.currency)} {transaction.currency}"
    )


@dataclass(frozen=True)
class Done:
    """What one decision did: its action, its subject in words, and its lines in the log."""

    action: str
    subject: str
    events: tuple[TriageEvent, ...]

    @property
    def count(self) -> int:
        """Transactions that were decided on."""
        return len(self.events)

    def changed(self, now: datetime) -> list[TriageStatus]:
        """The statuses other than open that the decision replaced."""
        if self.action == "note":
            return []
        before = [event.before.effective(now) for event in self.events if event.before is not None]
        return [status for status in before if status is not TriageStatus.OPEN]


def outcome(done: Sequence[Done], undo: str, now: datetime) -> str:
    """One sentence about decisions. `undo` is the key that undoes the last one."""
    last = done[-1]
    changed = last.changed(now)
    if len(done) == 1 and last.count == 1:
        was = f", which was {DONE[changed[0]]}" if changed else ""
        return f"{DONE[last.action]}{_leniency(last)}: {last.subject}{was}. {undo} undoes it"
    counts: Counter[str] = Counter()
    for each in done:
        counts[each.action] += each.count
    every = sum(status is not TriageStatus.OVER_BUDGET for each in done for status in each.changed(now))
    said = ", ".join(f"{count:,} {DONE[action]}" for action, count in counts.items())
    said += f" ({every:,} decided otherwise before)" if every else ""
    return f"{said}. {undo} undoes {'it' if len(done) == 1 else 'the last'}"


def _leniency(done: Done) -> str:
    after = done.events[0].after
    if done.action != TriageStatus.FALSE_POSITIVE or after is None or after.until is None:
        return ""
    return f", lenient until {after.until:%Y-%m-%d %H:%M}"


class Decider:
    """Sends decisions to the engine, one after the other in the order of the keys.

    `user` is the person who decides, by default the user of the operating system.
    """

    def __init__(self, console: Console, user: str | None = None) -> None:
        self._console = console
        self._user = user or os_user()
        self._turn = asyncio.Lock()
        self._done: list[Done] = []
        self._done_at: datetime | None = None
        self._subjects: dict[str, str] = {}

    def decide(
        self,
        row: ScoredTransaction,
        status: TriageStatus | None,
        until: datetime | None = None,
        note: str | None = None,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Decide on one transaction; without a status only its note changes. `failed` is called if it is not stored."""
        ident = row.transaction.transaction_id
        self._subjects.pop(ident, None)
        self._subjects[ident] = subject_of(row)
        while len(self._subjects) > _REMEMBERED:
            del self._subjects[next(iter(self._subjects))]
        self._start(self._decide((ident,), status, until, note, failed))

    def decide_all(
        self,
        ids: Sequence[str],
        status: TriageStatus,
        until: datetime | None = None,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Decide on many transactions in one step. `failed` is called where that is not stored."""
        self._start(self._decide(ids, status, until, None, failed))

    def undo(self, then: Callable[[tuple[str, ...]], None] | None = None) -> None:
        """Undo the last decision of this user that is still in force, and call `then` with its transactions."""
        self._start(self._undo(then))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # A worker of the application: one of a window would be cancelled when the window closes.
        self._console.run_worker(work, group="triage")

    async def _decide(
        self,
        ids: Sequence[str],
        status: TriageStatus | None,
        until: datetime | None,
        note: str | None,
        failed: Callable[[], None] | None,
    ) -> None:
        subject = self._subject(ids)
        async with self._turn:
            try:
                decision = await self._console.port.decide(ids, status, until, note, by=self._user)
            except Exception as error:  # the port may be any engine, near or far: say it and go on
                self._say(f"nothing decided on {subject}: {reason_of(error)}", wrong=True)
                if failed is not None:
                    failed()
                return
            if status is not None:
                self._console.pace.add(len(decision.events), self._console.clock())
            self._console.tick()
            if decision.events:
                self._tell(Done(decision.events[0].action, subject, decision.events))
            elif decision.unchanged:
                self._say(f"already {DONE[status.value if status else 'note']}: {subject}. Nothing has changed")
                return
            else:
                self._say(f"nothing decided on {subject}: it is not stored (any more)", wrong=True)
                return
            if decision.unknown:
                self._say(f"{len(decision.unknown):,} were passed over: they are not stored (any more)", wrong=True)

    def _tell(self, done: Done) -> None:
        now = self._console.clock()
        if self._done_at is not None and now - self._done_at <= TOGETHER:
            self._console.clear_notifications()
        else:
            self._done.clear()
        self._done.append(done)
        self._done_at = now
        self._say(outcome(self._done, self._console.keys.shown(keymap.UNDO), self._console.stream_clock()))

    async def _undo(self, then: Callable[[tuple[str, ...]], None] | None) -> None:
        async with self._turn:
            try:
                undone = await self._console.port.undo(self._user)
            except Exception as error:  # the port may be any engine, near or far: say it and go on
                self._say(f"nothing undone: {reason_of(error)}", wrong=True)
                return
            if undone is not None and undone.action != "note":
                self._console.pace.add(-len(undone.events), self._console.clock())
            self._console.tick()
            self._console.clear_notifications()
            self._done_at = None
            if undone is None:
                self._say("there is nothing of yours to undo")
                return
            ids = tuple(event.transaction_id for event in undone.events)
            kept = f"; {undone.kept:,} decided again since then stay as they are" if undone.kept else ""
            self._say(f"undone ({DONE[undone.action]}): {self._subject(ids)}{kept}")
            if then is not None:
                then(ids)

    def _subject(self, ids: Sequence[str]) -> str:
        if len(ids) == 1:
            return self._subjects.get(ids[0], sanitize(ids[0]))
        return f"{len(ids):,} transactions"

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self._console.notify(text, severity="error" if wrong else "information", timeout=6 if wrong else 4)


def os_user() -> str:
    """The name of the operating system's user, or their number where there is no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
