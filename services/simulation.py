"""The simulator as a stream for the producer."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

from domain.transaction import GroundTruth, Transaction
from services.settings import Settings


def live_stream(settings: Settings) -> Iterator[tuple[Transaction, GroundTruth | None]]:
    """Transactions from now on, at the configured rate.

    The seed fixes the people and their habits; ids carry a part of their own for each run, so that a second
    run with the same seed is not taken for a resend of the first.
    """
    from simulator import Simulator

    seed = settings.seed if settings.seed is not None else secrets.randbits(32)
    simulator = Simulator(
        users=settings.users,
        anomaly_rate=settings.anomaly_rate,
        seed=seed,
        start=datetime.now(UTC),
        rate=settings.rate,
        run=secrets.token_hex(4),
    )
    yield from simulator.stream()
