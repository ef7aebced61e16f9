"""The keys for triage."""

from collections.abc import Callable
from datetime import datetime

from textual.screen import Screen

from domain.filters import Filter
from domain.triage import MAX_AT_ONCE, TriageStatus
from domain.verdict import ScoredTransaction
from services.errors import reason_of
from tui import cells, keymap
from tui.console import console_of
from tui.decider import subject_of
from tui.modals.confirm import Confirm
from tui.modals.prompts import LeniencyPrompt, NotePrompt, SnoozeChoice, StatusChoice, span_of

LENIENCY = "30d"


class Triaging(Screen[None]):
    """A screen whose keys decide on the row `to_decide`: acknowledge, confirm, false positive, snooze, note, undo.

    A question opens before the next key is handled, so that the next key answers it.
    """

    @property
    def to_decide(self) -> ScoredTransaction | None:
        """The transaction that the keys decide on."""
        raise NotImplementedError

    def action_triage(self, status: str) -> None:
        """Decide on the row. A snooze and a false positive ask for how long."""
        row, decided = self._row(), TriageStatus(status)
        if row is not None:
            self._until(decided, subject_of(row), lambda until: console_of(self).decisions.decide(row, decided, until))

    def action_note(self) -> None:
        """Ask for the note of the row. Its status stays."""
        row = self._row()
        if row is None:
            return
        note = row.triage.note if row.triage else ""

        def written(answer: str | None) -> None:
            if answer is not None and answer != note:
                console_of(self).decisions.decide(row, None, note=answer)

        self.app.push_screen(NotePrompt(f"Note: {subject_of(row)}", note), written)

    def action_undo(self) -> None:
        """Undo the user's last decision."""
        console_of(self).decisions.undo()

    def _row(self) -> ScoredTransaction | None:
        if self.to_decide is None:
            self.notify("nothing to decide on: no row is chosen", timeout=2)
        return self.to_decide

    def _until(self, status: TriageStatus, subject: str, then: Callable[[datetime | None], None]) -> None:
        """Call `then` with the end of the decision, after asking for it where the status has one."""

        def answered(answer: str | None) -> None:
            if answer is not None:
                span = span_of(answer)
                then(console_of(self).clock() + span if span else None)

        if status is TriageStatus.FALSE_POSITIVE:
            self.app.push_screen(LeniencyPrompt(f"False positive: {subject}", LENIENCY), answered)
        elif status is TriageStatus.SNOOZED:
            self.app.push_screen(SnoozeChoice(f"Snooze: {subject}"), answered)
        else:
            then(None)


class BulkTriaging(Triaging):
    """A screen that can also decide on every open anomaly that matches its filter."""

    @property
    def to_match(self) -> Filter:
        """The filter in use."""
        raise NotImplementedError

    def action_triage_matching(self) -> None:
        """Decide on every open anomaly that matches, after showing their number and asking twice."""
        ids: list[str] = []
        question = StatusChoice()

        def chosen(answer: str | None) -> None:
            if answer is not None:
                status = TriageStatus(answer)
                self._until(status, question.asked, lambda until: self._confirm(question.asked, ids, status, until))

        self.app.push_screen(question, chosen)
        self.run_worker(self._count(question, self.to_match, ids), group="matching", exclusive=True)

    async def _count(self, question: StatusChoice, filter: Filter, ids: list[str]) -> None:
        try:
            ids += await console_of(self).port.matching(filter, MAX_AT_ONCE)
            total = len(ids) if len(ids) < MAX_AT_ONCE else await console_of(self).port.count_matching(filter)
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            problem = f"cannot count what matches: {reason_of(error)}"
        else:
            problem = "" if ids else "no open anomaly matches" if filter.text else "no anomaly is open"
            many = _many(len(ids), total)
            question.counted(f"{many} matching {filter.text}" if filter.text else many)
        if problem:
            self.notify(problem, severity="warning")
            if question.is_current:
                question.dismiss(None)

    def _confirm(self, which: str, ids: list[str], status: TriageStatus, until: datetime | None) -> None:
        action = next(option.description for option in keymap.STATUSES if status.value in option.action)
        undo = console_of(self).keys.shown(keymap.UNDO)
        self.app.push_screen(
            Confirm(
                f"{action.capitalize()}: {which}?",
                f"They are decided on in one step, which {undo} undoes.",
                lambda: console_of(self).decisions.decide_all(ids, status, until),
            )
        )


def _many(chosen: int, total: int) -> str:
    if total > chosen:
        return f"the newest {cells.grouped(chosen)} of {cells.grouped(total)} open anomalies"
    return "the open anomaly" if chosen == 1 else f"all {cells.grouped(chosen)} open anomalies"
