"""From analysts' decisions to what scoring makes of them: in an engine from PostgreSQL, in `evaluate` from labels."""

from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from detectors.feedback import DAYS, NEWEST, Feedback, Tolerance, merchant_lifts
from detectors.inputs import merchant_of, short
from detectors.population import DAY
from detectors.reasons import CORRECTED
from detectors.worth import Labels
from domain.transaction import Transaction
from domain.verdict import BANDS
from services.store.store import Store

MOST_TOLERANCES = 50_000


async def stored_feedback(store: Store, alert_rates: Mapping[str, float], now: datetime) -> Feedback:
    """What counts `now`, by the stream's clock. Labels are as old as their events are before the newest one stored.

    Raises: `faults` errors.
    """
    tolerated: dict[str, tuple[Tolerance, ...]] = {}
    for row in await store.triage.tolerated(now, MOST_TOLERANCES):
        found = Tolerance.of(row.transaction_id, row.until, row.score, row.threshold, row.reasons)
        if found is not None:
            tolerated[row.user_id] = (*tolerated.get(row.user_id, ()), found)
    known = Feedback(tolerated=tolerated, alert_rates=dict(alert_rates), labels=await stored_labels(store))
    newest = await store.triage.newest_event()
    if newest is None:
        return known
    # Whole days, so that what counts changes once a day and not with every event.
    last = newest.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=NEWEST - 1)
    confirmed = await store.triage.confirmed(last - timedelta(days=DAYS), last)
    if not confirmed:
        return known
    seen, every = await store.triage.seen_at(last - timedelta(days=DAYS), last, list(confirmed))
    confirmed = {short(merchant): frauds for merchant, frauds in confirmed.items()}
    seen = {short(merchant): transactions for merchant, transactions in seen.items()}
    lifts = merchant_lifts(seen, confirmed, every)
    return msgspec.structs.replace(known, lifts=lifts, seen=seen, confirmed=confirmed)


async def stored_labels(store: Store) -> tuple[Labels, ...]:
    """What became of alerts, by band of their estimate; nothing before the first. Raises: `faults` errors."""
    found = await store.triage.outcomes(BANDS, CORRECTED)
    return tuple(Labels(*found.get(number, (0, 0))) for number in range(len(BANDS) + 1)) if found else ()


def _day(transaction: Transaction) -> int:
    return int(transaction.timestamp.timestamp() // DAY)


class DelayedLabels:
    """Labels that arrive some days late, as confirmed frauds: what was known on each day."""

    def __init__(self, days: int) -> None:
        self._newest = max(NEWEST, days + 1)
        self._seen: deque[tuple[int, Counter[str], Counter[str]]] = deque()
        self._day = -1
        self._feedback = Feedback()

    def add(self, transaction: Transaction, fraud: bool) -> None:
        """Add a transaction and its label, which counts from its own day on."""
        day = _day(transaction)
        merchant = merchant_of(transaction)
        if not self._seen or day > self._seen[-1][0]:
            self._seen.append((day, Counter(), Counter()))
        if merchant is not None:
            # An event that comes late is counted on the day it came.
            self._seen[-1][1][merchant] += 1
            self._seen[-1][2][merchant] += fraud

    def at(self, transaction: Transaction) -> Feedback:
        """What is known on the day of this transaction."""
        day = _day(transaction)
        if day > self._day:
            self._day = day
            while self._seen and self._seen[0][0] <= day - self._newest - DAYS:
                self._seen.popleft()
            seen: Counter[str] = Counter()
            confirmed: Counter[str] = Counter()
            for then, transactions, frauds in self._seen:
                if then <= day - self._newest:
                    seen.update(transactions)
                    confirmed.update(frauds)
            confirmed = +confirmed
            self._feedback = Feedback(merchant_lifts(seen, confirmed, seen.total()), dict(seen), dict(confirmed))
        return self._feedback
