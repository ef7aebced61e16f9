"""The newest committed rows, made ready for consoles only when one asks for them.

Most rows of a busy engine are never looked at: a console that shows 50 lines takes the newest ones four times a
second. Until then a batch stays as it was committed.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from msgspec.structs import replace

from domain.engine import FeedSlice
from domain.transaction import Transaction
from domain.triage import Triage
from domain.verdict import DetectorName, ScoredTransaction, Verdict
from services.store.batch import StoredRow


class Published:
    """The rows of one committed batch; the first has the sequence number `first`."""

    def __init__(self, rows: Sequence[StoredRow], first: int, stored_at: datetime) -> None:
        self._stored: Sequence[StoredRow] = rows
        self._first = first
        self._stored_at = stored_at
        self._scored: list[ScoredTransaction] | None = None

    def __len__(self) -> int:
        return len(self._stored) if self._scored is None else len(self._scored)

    @property
    def rows(self) -> list[ScoredTransaction]:
        """The rows as consoles see them."""
        if self._scored is None:
            self._scored = [
                ScoredTransaction(
                    sequence=sequence,
                    transaction=row.transaction,
                    verdicts=row.verdicts,
                    stored_at=self._stored_at,
                    truth=row.truth,
                )
                for sequence, row in enumerate(self._stored, start=self._first)
            ]
            self._stored = ()
        return self._scored

    @property
    def transactions(self) -> list[Transaction]:
        """The transactions of the rows, in order."""
        return [row.transaction for row in (self._stored if self._scored is None else self._scored)]


class Ring:
    """The newest rows of all batches, `size` of them, with ascending sequence numbers."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._batches: deque[Published] = deque()

    def extend(self, batch: Published) -> None:
        """Append a batch, evicting the oldest ones of which no row is among the newest."""
        self._batches.append(batch)
        self._held += len(batch)
        while self._held - len(self._batches[0]) >= self._size:
            self._held -= len(self._batches.popleft())

    def triaged(self, decisions: Mapping[str, Triage | None]) -> None:
        """Put these decisions, by transaction id, on the rows they are about."""
        for batch, number, ident in self._about(decisions):
            batch.rows[number] = replace(batch.rows[number], triage=decisions[ident])

    def judged(self, verdicts: Mapping[str, Mapping[DetectorName, Verdict]]) -> None:
        """Put these verdicts, by transaction id and detector, in the place of those that are there."""
        for batch, number, ident in self._about(verdicts):
            row, given = batch.rows[number], verdicts[ident]
            mixed = tuple(given.get(verdict.detector, verdict) for verdict in row.verdicts)
            batch.rows[number] = replace(row, verdicts=mixed)

    def newest(self, count: int) -> tuple[ScoredTransaction, ...]:
        """The newest rows, `count` of them or all that there are, oldest first."""
        return tuple(reversed([*islice(self._backwards(), max(count, 0))]))

    def since(self, after: int, limit: int) -> FeedSlice:
        """The newest `limit` rows of a sequence above `after`; `missed` counts the others that are above it."""
        newer: list[ScoredTransaction] = []
        above = 0
        for row in self._backwards():
            if row.sequence <= after:
                break
            above += 1
            if len(newer) < limit:
                newer.append(row)
        return FeedSlice(tuple(reversed(newer)), above - len(newer), upto=newer[0].sequence if newer else after)

    def _backwards(self) -> Iterator[ScoredTransaction]:
        return islice((row for batch in reversed(self._batches) for row in reversed(batch.rows)), self._size)

    def _about(self, ids: Mapping[str, object]) -> Iterator[tuple[Published, int, str]]:
        """Where the rows with these transaction ids are."""
        for batch in self._batches:
            for number, transaction in enumerate(batch.transactions):
                if transaction.transaction_id in ids:
                    yield batch, number, transaction.transaction_id
