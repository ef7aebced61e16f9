"""The queue of alerts: what is most worth looking at first, and the alerts of a burst as one case."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.triage import is_open
from domain.verdict import ScoredTransaction
from tui.lists.sorting import Order, worth

GAP = timedelta(minutes=5)
"""Alerts of one user belong to one case while each is within this time of the one before."""

Case = tuple[ScoredTransaction, ...]


def cases(rows: Sequence[ScoredTransaction]) -> list[Case]:
    """The rows as cases: those of one user that are at most `GAP` apart, in order of event time."""
    of_user: dict[str, list[ScoredTransaction]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.transaction.timestamp):
        of_user[row.transaction.user_id].append(row)
    found: list[Case] = []
    for alerts in of_user.values():
        case = [alerts[0]]
        for row in alerts[1:]:
            if row.transaction.timestamp - case[-1].transaction.timestamp > GAP:
                found.append(tuple(case))
                case = []
            case.append(row)
        found.append(tuple(case))
    return found


class Queue(Order):
    """Alerts by severity, then by score as it is shown, the worst first and the newest first among equals.

    With `grouped` it has one row for each case: the worst of its open alerts, which `case` gives.
    """

    def __init__(self, rows: Sequence[ScoredTransaction], now: datetime, *, grouped: bool = False) -> None:
        self._cases: dict[int, Case] = {}
        self._lead_of: dict[int, int] = {}
        leads = [self._lead(case, now) for case in cases(rows)] if grouped else list(rows)
        super().__init__(leads, "worth", True)
        self.newest = max((row.sequence for row in rows), default=0)

    def _lead(self, case: Case, now: datetime) -> ScoredTransaction:
        waiting = tuple(row for row in case if is_open(row.triage, now)) or case
        lead = max(waiting, key=worth)
        self._cases[lead.sequence] = waiting
        self._lead_of |= {row.sequence: lead.sequence for row in case}
        return lead

    def case(self, row: ScoredTransaction) -> Case:
        """The alerts that are decided on together with this row of the queue; the row alone where it is no case."""
        return self._cases.get(row.sequence, (row,))

    def find(self, row: ScoredTransaction) -> int | None:
        """The index of a transaction, or of its case; None when there is none.

        What is read from the database again comes with another sequence.
        """
        index = self.index(row.sequence)
        if index < len(self):
            return index
        ident = row.transaction.transaction_id
        return next((place for place, lead in enumerate(self.all()) if ident in self._idents(lead)), None)

    def _idents(self, lead: ScoredTransaction) -> list[str]:
        return [row.transaction.transaction_id for row in self.case(lead)]

    def index(self, sequence: int) -> int:
        """The index of the row with this sequence, or of its case; `len(self)` when there is none."""
        return super().index(self._lead_of.get(sequence, sequence))
