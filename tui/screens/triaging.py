"""The keys for triage."""

from collections.abc import Callable, Sequence
from datetime import datetime

from textual.screen import Screen

from domain.filters import Filter
from domain.triage import MAX_AT_ONCE, TriageStatus
from domain.verdict import ScoredTransaction
from services.errors import reason_of
from tui import cells, keymap
from tui.console import console_of
from tui.decider import DONE, subject_of
from tui.modals.confirm import Confirm
from tui.modals.prompts import LeniencyPrompt, NotePrompt, SnoozeChoice, StatusChoice, span_of

LENIENCY = "30d"


class Triaging(Screen[None]):
    """A screen whose keys decide on the row `to_decide`: acknowledge, confirm, false positive, snooze, note, undo.

    A question opens before the next key is handled, so that the next key answers it.
    """

    @property
    def to_decide(self) -> ScoredTransaction | None:
        """The transaction that the keys decide on; None while no row is under the cursor."""
        raise NotImplementedError

    @property
    def was_read(self) -> bool:
        """Whether it has been there long enough to be what the user means."""
        return True

    def hold(self) -> ScoredTransaction | None:
        """Put the cursor on the row that is explained, for the next key; None when there is none."""
        return self.to_decide

    def together(self, row: ScoredTransaction) -> tuple[ScoredTransaction, ...]:
        """The transactions that a key decides on with a row."""
        return (row,)

    def decided(self, rows: Sequence[ScoredTransaction]) -> None:
        """What follows a decision, before it is stored: the next one need not wait for that."""

    def undone(self, ids: Sequence[str]) -> None:
        """What follows an undo, or a decision that could not be stored."""

    def action_triage(self, status: str) -> None:
        """Decide on the row. A snooze asks for how long, and the first false positive does."""
        row, decided = self._row(), TriageStatus(status)
        if row is None:
            return
        now, decisions = console_of(self).stream_clock(), console_of(self).decisions
        lenient = TriageStatus.FALSE_POSITIVE
        stands = row.triage is not None and row.triage.effective(now) is decided
        if stands and decided is not TriageStatus.SNOOZED:
            self.notify(f"already {DONE[decided.value]}: {subject_of(row)}. Nothing has changed", timeout=4)
            return
        rows = self.together(row)
        ids = [each.transaction.transaction_id for each in rows]

        def decide(until: datetime | None) -> None:
            if len(rows) == 1:
                decisions.decide(rows[0], decided, until, failed=lambda: self.undone(ids))
            else:
                decisions.decide_all(ids, decided, until, failed=lambda: self.undone(ids))
            self.decided(rows)

        subject = subject_of(row) if len(rows) == 1 else f"{len(rows)} alerts of {row.transaction.user_id}"
        leniency = console_of(self).library.kept.leniency
        if decided is lenient and leniency:
            decide(self._after(leniency))
        else:
            self._until(decided, subject, decide)

    def action_leniency(self) -> None:
        """Ask how long detectors are lenient after a false positive, from the next one on."""
        asked = "Leniency after a false positive"

        def answered(answer: str | None) -> None:
            if answer is not None:
                self._keep_leniency(answer)
                self.notify(f"lenient for {answer} after the next false positives", timeout=4)

        self.app.push_screen(LeniencyPrompt(asked, console_of(self).library.kept.leniency or LENIENCY), answered)

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
        console_of(self).decisions.undo(self.undone)

    def _row(self) -> ScoredTransaction | None:
        """The row to decide on; None, with the reason said, when the user cannot have meant the row that is there.

        While a list follows, its newest row may have changed after the user read it and before the key came.
        """
        row = self.to_decide
        if row is not None and self.was_read:
            return row
        held = self.hold()
        if held is None:
            self.notify("nothing to decide on: no row is chosen", timeout=2)
        elif row is None:
            self.notify(f"{subject_of(held)} holds still now: press the key again to decide on it", timeout=4)
        else:
            self.notify(f"{subject_of(held)} came here just now: press the key again to decide on it", timeout=4)
        return None

    def _after(self, answer: str) -> datetime | None:
        span = span_of(answer)
        return console_of(self).stream_clock() + span if span else None

    def _keep_leniency(self, answer: str) -> None:
        console_of(self).keep(lambda: console_of(self).library.keep_leniency(answer))

    def _until(self, status: TriageStatus, subject: str, then: Callable[[datetime | None], None]) -> None:
        """Call `then` with the end of the decision, after asking for it where the status has one."""

        def answered(answer: str | None) -> None:
            if answer is not None:
                then(self._after(answer))

        def lenient(answer: str | None) -> None:
            if answer is not None:
                self._keep_leniency(answer)
            answered(answer)

        if status is TriageStatus.FALSE_POSITIVE:
            offered = console_of(self).library.kept.leniency or LENIENCY
            self.app.push_screen(LeniencyPrompt(f"False positive: {subject}", offered), lenient)
        elif status is TriageStatus.SNOOZED:
            self.app.push_screen(SnoozeChoice(f"Snooze: {subject}"), answered)
        else:
            then(None)


class BulkTriaging(Triaging):
    """A screen that can also decide on all open anomalies that match its filter, or on those of the triage it names."""

    @property
    def to_match(self) -> Filter:
        """The filter in use."""
        raise NotImplementedError

    def action_triage_matching(self) -> None:
        """Decide on all that match, after showing their number and asking twice."""
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
            one, several = ("anomaly", "anomalies") if filter.is_of_triage else ("open anomaly", "open anomalies")
            problem = "" if ids else f"no {one} matches" if filter.text else "no anomaly is open"
            many = _many(len(ids), total, one, several)
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


def _many(chosen: int, total: int, one: str, several: str) -> str:
    if total > chosen:
        return f"the newest {cells.grouped(chosen)} of {cells.grouped(total)} {several}"
    return f"the {one}" if chosen == 1 else f"all {cells.grouped(chosen)} {several}"
