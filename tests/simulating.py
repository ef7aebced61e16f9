"""Simulated transactions that begin when a test says and are the same at whatever hour it runs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from domain.transaction import GroundTruth, Transaction
from simulator import Simulator

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def awake(start: datetime, **people: Any) -> Iterator[tuple[Transaction, GroundTruth]]:
    """Endless transactions from `start` on, of people who live as on a Monday from noon; `people` are the simulator's.

    Simulated people sleep: a stream that began at the hour of the test would be of one user at night.
    """
    later = start - NOON
    for transaction, truth in Simulator(start=NOON, **people).stream():
        yield msgspec.structs.replace(transaction, timestamp=transaction.timestamp + later), truth
