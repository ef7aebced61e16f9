"""Triage decisions: they are sent to the engine one by one, and each is confirmed in a notification."""

import asyncio
import getpass
import os
from collections import Counter
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.sanitize import sanitize
from domain.triage import TriageStatus
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
}
"""The words for each action of the triage log, once it is done."""


def subject_of(row: ScoredTransaction) -> str:
    """The user and amount of a transaction, in a few words."""
    transaction = row.transaction
    return sanitize(
        f"{transaction.user_id} {cells.money(transaction.amount, transaction.currency)} {transaction.currency}"
    )


def outcome(done: Sequence[tuple[str, str, int]], undo: str) -> str:
    """One sentence about decisions, each given as its action, its subject and its number of transactions.

    `undo` is the key that undoes the last one.
    """
    (action, subject, count), *others = done
    if not others:
        what = f"{DONE[action]}: {subject}" if count == 1 else f"{count:,} {DONE[action]}"
        return f"{what}. {undo} undoes it"
    counts: Counter[str] = Counter()
    for action, _, count in done:
        counts[action] += count
    return ", ".join(f"{count:,} {DONE[action]}" for action, count in counts.items()) + f". {undo} undoes the last"


class Decider:
    """Sends decisions to the engine, one after the other in the order of the keys.

    `user` is the person who decides, by default the user of the operating system.
    """

    def __init__(self, console: Console, user: str | None = None) -> None:
        self._console = console
        self._user = user or os_user()
        self._turn = asyncio.Lock()
        self._done: list[tuple[str, str, int]] = []
        self._done_at: datetime | None = None
        self._subjects: dict[str, str] = {}

    def decide(
        self,
        row: ScoredTransaction,
        status: TriageStatus | None,
        until: datetime | None = None,
        note: str | None = None,
    ) -> None:
        """Decide on one transaction; without a status only its note changes."""
        ident = row.transaction.transaction_id
        self._subjects.pop(ident, None)
        self._subjects[ident] = subject_of(row)
        while len(self._subjects) > _REMEMBERED:
            del self._subjects[next(iter(self._subjects))]
        self._start(self._decide((ident,), status, until, note))

    def decide_all(self, ids: Sequence[str], status: TriageStatus, until: datetime | None = None) -> None:
        """Decide on many transactions in one step."""
        self._start(self._decide(ids, status, until, None))

    def undo(self) -> None:
        """Undo the last decision of this user that is still in force."""
        self._start(self._undo())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # A worker of the application: one of a window would be cancelled when the window closes.
        self._console.run_worker(work, group="triage")

    async def _decide(
        self, ids: Sequence[str], status: TriageStatus | None, until: datetime | None, note: str | None
    ) -> None:
        subject = self._subject(ids)
        async with self._turn:
            try:
                decision = await self._console.port.decide(ids, status, until, note, by=self._user)
            except Exception as error:  # the port may be any engine, near or far: say it and go on
                self._say(f"nothing decided on {subject}: {reason_of(error)}", wrong=True)
                return
            self._console.tick()
            if not decision.events:
                self._say(f"nothing decided on {subject}: it is not stored (any more)", wrong=True)
                return
            self._tell((decision.events[0].action, subject, len(decision.events)))
            if decision.unknown:
                self._say(f"{len(decision.unknown):,} were passed over: they are not stored (any more)", wrong=True)

    def _tell(self, done: tuple[str, str, int]) -> None:
        now = self._console.clock()
        if self._done_at is not None and now - self._done_at <= TOGETHER:
            self._console.clear_notifications()
        else:
            self._done.clear()
        self._done.append(done)
        self._done_at = now
        self._say(outcome(self._done, self._console.keys.shown(keymap.UNDO)))

    async def _undo(self) -> None:
        async with self._turn:
            try:
                undone = await self._console.port.undo(self._user)
            except Exception as error:  # the port may be any engine, near or far: say it and go on
                self._say(f"nothing undone: {reason_of(error)}", wrong=True)
                return
            self._console.tick()
            self._console.clear_notifications()
            self._done_at = None
            if undone is None:
                self._say("there is nothing of yours to undo")
                return
            subject = self._subject([event.transaction_id for event in undone.events])
            kept = f"; {undone.kept:,} decided again since then stay as they are" if undone.kept else ""
            self._say(f"undone ({DONE[undone.action]}): {subject}{kept}")

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
