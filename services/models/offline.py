"""The detectors over transactions in event time, without any server."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from detectors.enhanced import EnhancedModel
from detectors.feedback import Feedback
from detectors.inputs import InputColumns, inputs_of
from detectors.policy import Policy
from detectors.state import UserState
from domain.transaction import Transaction
from domain.verdict import DetectorChoice, Verdict
from services.models import schedule
from services.models.backfill import backfilled

CHUNK = 1_000
"""Transactions that callers give at once: enough that a batch costs little a row, few enough that a bar moves."""


Judged = tuple[Transaction, tuple[Verdict, ...]]


class OfflineScorer:
    """Scores transactions in order as the engine does: same fits at the same counts. Every id comes once.

    What comes before the first fit waits for it, as the engine judges it afterwards. `feedback` gives what people have
    decided by the time of a transaction.
    """

    def __init__(
        self,
        choice: DetectorChoice,
        policy: Policy,
        feedback: Callable[[Transaction], Feedback] | None = None,
    ) -> None:
        self._choice = choice
        self._policy = policy
        self._feedback = feedback
        self._models = schedule.warming(choice)
        self._states: dict[str, UserState] = {}
        self._history: deque[Transaction] = deque(maxlen=schedule.HISTORY_ROWS)
        self._waiting: list[Transaction] = []
        self._taken = 0
        self._trained_rows = 0

    @property
    def fitted(self) -> bool:
        """Whether there was enough for a first fit."""
        return self._trained_rows > 0

    @property
    def room(self) -> int:
        """How many transactions may be scored before the next fit."""
        return schedule.next_fit(self._trained_rows) - self._taken

    def score(self, transactions: list[Transaction]) -> Iterator[Judged]:
        """Score a chunk, fitting in between where a fit is due; what waits for the first fit comes with it."""
        fresh = []
        for transaction in transactions:
            self._taken += 1
            fresh.append(transaction)
            if schedule.due(self._taken, self._trained_rows):
                yield from self._take(fresh)
                fresh = []
                yield from self._fit()
        yield from self._take(fresh)

    def finish(self) -> Iterator[Judged]:
        """What still waits, too little for a fit: judged by detectors that are warming up."""
        waiting, self._waiting = self._waiting, []
        return self._score_chunk(waiting)

    def _take(self, fresh: list[Transaction]) -> Iterator[Judged]:
        self._history.extend(fresh)
        if self._trained_rows:
            return self._score_chunk(fresh)
        self._waiting += fresh
        return iter(())

    def _fit(self) -> Iterator[Judged]:
        self._trained_rows = self._taken
        self._models = schedule.fit(list(self._history), self._trained_rows, self._choice, self._policy)
        waiting, self._waiting = self._waiting, []
        return ((transaction, backfilled(verdicts)) for transaction, verdicts in self._score_chunk(waiting))

    def _score_chunk(self, fresh: list[Transaction]) -> Iterator[Judged]:
        columns = []
        rows = inputs_of(fresh)
        if self._models.basic is not None:
            columns.append(self._models.basic.score(fresh, rows=rows))
        if self._models.enhanced is not None:
            columns.append(self._judged(self._models.enhanced, fresh, rows))
        return zip(fresh, zip(*columns, strict=True), strict=True)

    def _judged(self, model: EnhancedModel, fresh: list[Transaction], rows: InputColumns) -> Sequence[Verdict]:
        if self._feedback is None:
            return model.score(fresh, self._states, rows=rows)
        verdicts: list[Verdict] = []
        known = [self._feedback(transaction) for transaction in fresh]
        for _, run in groupby(range(len(fresh)), lambda index: id(known[index])):
            first, *more = run
            part = slice(first, (more or [first])[-1] + 1)
            verdicts += model.score(fresh[part], self._states, rows=rows[part], feedback=known[first])
        return verdicts
