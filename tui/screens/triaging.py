"""The keys that decide on transactions, on every screen that has one to decide on."""

from datetime import datetime
from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from domain.filters import Filter
from domain.triage import MAX_AT_ONCE, TriageStatus
from domain.verdict import ScoredTransaction
from tui import cells, keymap
from tui.decider import subject_of
from tui.screens.prompts import Confirmation, LeniencyPrompt, NotePrompt, SnoozeChoice, StatusChoice, span_of

if TYPE_CHECKING:
    from tui.app import ConsoleApp

LENIENCY = "30d"


class Triaging(Screen[None]):
    """Acknowledge, confirm, false positive, snooze, note and undo, for the row that `to_decide` gives."""

    @property
    def _console_app(self) -> "ConsoleApp":
        return cast("ConsoleApp", self.app)

    @property
    def to_decide(self) -> ScoredTransaction | None:
        """The transaction that the keys decide on."""
        raise NotImplementedError

    def action_triage(self, status: str) -> None:
        """Decide, after asking for how long where that matters."""
        row = self._row()
        if row is not None:
            self.run_worker(self._triage(row, TriageStatus(status)), group="deciding", exclusive=True)

    def action_note(self) -> None:
        """Write a note; the decision stays."""
        row = self._row()
        if row is not None:
            self.run_worker(self._note(row), group="deciding", exclusive=True)

    def action_undo(self) -> None:
        """Take back the last decision."""
        self._console_app.decider.undo()

    def _row(self) -> ScoredTransaction | None:
        if self.to_decide is None:
            self.notify("no anomaly to decide on yet", timeout=2)
        return self.to_decide

    async def _triage(self, row: ScoredTransaction, status: TriageStatus) -> None:
        answered, until = await self._until(status, subject_of(row))
        if answered:
            self._console_app.decider.decide(row, status, until)

    async def _note(self, row: ScoredTransaction) -> None:
        note = row.triage.note if row.triage else ""
        written = await self.app.push_screen_wait(NotePrompt(f"Note: {subject_of(row)}", note))
        if written is not None and written != note:
            self._console_app.decider.decide(row, None, note=written)

    async def _until(self, status: TriageStatus, subject: str) -> tuple[bool, datetime | None]:
        """Whether it was answered until when the decision shall hold, and the answer."""
        if status is TriageStatus.FALSE_POSITIVE:
            answer = await self.app.push_screen_wait(LeniencyPrompt(f"False positive: {subject}", LENIENCY))
        elif status is TriageStatus.SNOOZED:
            answer = await self.app.push_screen_wait(SnoozeChoice(f"Snooze: {subject}"))
        else:
            return True, None
        if answer is None:
            return False, None
        span = span_of(answer)
        return True, self._console_app.clock() + span if span else None


class BulkTriaging(Triaging):
    """The same, and one key that decides on everything that a filter finds."""

    @property
    def to_match(self) -> Filter:
        """The filter that is in force."""
        raise NotImplementedError

    def action_triage_matching(self) -> None:
        """Decide on all open anomalies that match, after showing how many there are and asking twice."""
        self.run_worker(self._triage_matching(self.to_match), group="deciding", exclusive=True)

    async def _triage_matching(self, filter: Filter) -> None:
        try:
            ids = await self._console_app.port.matching(filter, MAX_AT_ONCE)
            total = len(ids) if len(ids) < MAX_AT_ONCE else await self._console_app.port.count_matching(filter)
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self.notify(f"cannot count what matches: {error or type(error).__name__}", severity="error", markup=False)
            return
        if not ids:
            self.notify("no open anomaly matches" if filter.text else "no anomaly is open", timeout=3)
            return
        many = _many(len(ids), total)
        which = f"{many} matching {filter.text}" if filter.text else many
        answer = await self.app.push_screen_wait(StatusChoice(which))
        if answer is None:
            return
        status = TriageStatus(answer)
        answered, until = await self._until(status, many)
        action = next(option.description for option in keymap.STATUSES if answer in option.action)
        if not answered:
            return
        if await self.app.push_screen_wait(Confirmation(f"{action.capitalize()}: {which}?")) is not None:
            self._console_app.decider.decide_all(ids, status, until)


def _many(chosen: int, total: int) -> str:
    if total > chosen:
        return f"the newest {cells.grouped(chosen)} of {cells.grouped(total)} open anomalies"
    return "the open anomaly" if chosen == 1 else f"all {cells.grouped(chosen)} open anomalies"
