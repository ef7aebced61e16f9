"""The detail of one transaction: every field, both verdicts, every reason."""

import json
from typing import ClassVar

import msgspec
from rich.cells import chop_cells
from rich.style import Style
from rich.text import Text
from textual.binding import BindingType

from domain.sanitize import sanitize
from domain.triage import Triage, TriageEvent, TriageStatus
from domain.verdict import ScoredTransaction
from services.errors import reason_of
from tui import cells, keymap
from tui.console import console_of
from tui.modals.modal import Modal
from tui.panes.why import both, judgement, reason_lines
from tui.screens.copying import Copying
from tui.screens.triaging import Triaging
from tui.themes import Palette
from tui.widgets.drawing import line
from tui.widgets.reading import Reading


class Detail(Copying, Triaging, Modal):
    """Everything known about one transaction, with its triage history."""

    TITLE = "Transaction"
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.DETAIL]

    def __init__(self, row: ScoredTransaction) -> None:
        super().__init__()
        self.row = row
        self._log: tuple[TriageEvent, ...] = ()
        self._problem = ""
        self._fields_end = 0
        self._explained = ""

    @property
    def subject(self) -> ScoredTransaction | None:
        """The transaction."""
        return self.row

    @property
    def to_decide(self) -> ScoredTransaction | None:
        """The transaction."""
        return self.row

    def on_mount(self) -> None:
        """Read the triage history, now and after each decision."""
        super().on_mount()
        self.watch(self.app, "triage_sequence", self._read_log)
        if self.row.flagged:
            self.run_worker(self._explain(), group="explain", exclusive=True)

    async def _explain(self) -> None:
        try:
            found = await console_of(self).port.explain(self.row.transaction.transaction_id)
            self._explained = found.text if found is not None else ""
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._explained = f"what would not be flagged is unknown: {reason_of(error)}"
        self.call_after_refresh(self._draw)

    def _read_log(self) -> None:
        self.run_worker(self._load_log(), group="log", exclusive=True)

    async def _load_log(self) -> None:
        try:
            self._log = await console_of(self).port.triage_log(self.row.transaction.transaction_id)
            self._problem = ""
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._problem = f"history unavailable: {reason_of(error)}"
        if self._log:
            self.row = msgspec.structs.replace(self.row, triage=self._log[0].after)
        self.call_after_refresh(self._draw)

    def action_reasons(self) -> None:
        """Scroll to the verdicts and their reasons, which are the last thing before the history."""
        reading = self.query_one(Reading)
        reading.scroll_edge(False)
        reading.move_by(self._fields_end)

    def action_user_screen(self) -> None:
        """Close, and go to the Users screen, on the user of the transaction."""
        console, user = console_of(self), self.row.transaction.user_id
        self.dismiss(None)
        console.show_user(user)

    def lines(self, width: int, palette: Palette) -> list[Text]:
        """Fields, then verdicts with their reasons, then the triage history."""
        lines: list[Text] = []
        for name, value in self._fields():
            for number, part in enumerate(_wrapped(sanitize(value), max(1, width - 15))):
                label = f" {name:<13}" if number == 0 else " " * 14
                lines.append(line((label, palette.dim), (part, Style.null()), width=width))
        self._fields_end = len(lines) + 1
        if self.row.disagreed:
            lines += [Text(""), *both(self.row, width, palette)]
        else:
            for verdict in self.row.verdicts:
                lines.append(Text(""))
                lines.append(judgement(verdict, width, palette))
                lines += reason_lines(verdict, width, palette, wrap=True)
        if self._explained:
            lines += [
                Text(""),
                *(line(f" {part}", width=width) for part in _wrapped(sanitize(self._explained), max(1, width - 2))),
            ]
        lines.append(Text(""))
        lines.append(line((" triage history", palette.dim), width=width))
        if self._problem:
            lines.append(line((f" {self._problem}", palette.bad), width=width))
        lines += [event_line(event, width, palette) for event in self._log]
        if not self._log and not self._problem:
            lines.append(line(" nobody has decided on it", width=width))
        return lines

    @property
    def _number(self) -> str:
        """The number in order of commit. Only rows of this run of the engine have one."""
        return f", number {self.row.sequence}" if self.row.sequence > 0 else ""

    def _fields(self) -> list[tuple[str, str]]:
        transaction = self.row.transaction
        place, merchant, device = transaction.location, transaction.merchant, transaction.device
        where = [part for part in (place.city, place.country) if part]
        if place.latitude is not None and place.longitude is not None:
            where.append(f"({place.latitude:.4f}, {place.longitude:.4f})")
        fields = [
            ("transaction", transaction.transaction_id),
            ("user", transaction.user_id),
            ("amount", f"{cells.money(transaction.amount, transaction.currency)} {transaction.currency}"),
            ("time", f"{transaction.timestamp:%Y-%m-%d %H:%M:%S.%f %Z}"),
            ("type", transaction.transaction_type or ""),
            ("merchant", " · ".join(part for part in (merchant.name, merchant.category, merchant.id) if part)),
            ("location", " ".join(where)),
            ("paid by", transaction.payment_method or ""),
            ("device", " · ".join(part for part in (device.type, device.id, device.ip) if part)),
            ("stored", f"{self.row.stored_at:%Y-%m-%d %H:%M:%S.%f %Z}{self._number}"),
        ]
        if transaction.extra:
            fields.append(("other fields", json.dumps(transaction.extra, ensure_ascii=False, default=str)))
        if self.row.truth is not None and console_of(self).show_truth:
            truth = self.row.truth
            fields.append(("ground truth", f"{'anomalous' if truth.anomalous else 'normal'} {truth.kind or ''}"))
        if self.row.triage is not None:
            fields += [("triage", _decision(self.row.triage)), ("note", self.row.triage.note)]
        return [(name, value) for name, value in fields if value]


def event_line(event: TriageEvent, width: int, palette: Palette) -> Text:
    """One line of the triage history: time, user, action, and the status before and after."""
    return line(
        (f" {event.at:%Y-%m-%d %H:%M:%S}", palette.dim),
        f" {cells.fit(event.decided_by, 12)} {cells.fit(event.action.replace('_', ' '), 14)} ",
        (_state(event.before), Style.null()),
        (" → ", palette.dim),
        (_state(event.after), palette.strong),
        width=width,
    )


def _state(triage: Triage | None) -> str:
    if triage is None:
        return cells.STATE_NAMES[TriageStatus.OPEN]
    until = f" until {triage.until:%m-%d %H:%M}" if triage.until else ""
    note = f" “{triage.note}”" if triage.note else ""
    return f"{cells.STATE_NAMES[triage.status]}{until}{note}"


def _decision(triage: Triage) -> str:
    until = f" until {triage.until:%Y-%m-%d %H:%M}" if triage.until else ""
    return f"{triage.status.replace('_', ' ')}{until}, by {triage.decided_by} at {triage.decided_at:%Y-%m-%d %H:%M:%S}"


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` cells."""
    return chop_cells(text, width) or [""]
