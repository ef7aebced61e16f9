"""The simulator as a stream for the producer."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from domain.transaction import GroundTruth, Transaction
from services.settings import Settings


def live_stream(settings: Settings) -> Iterator[tuple[Transaction, GroundTruth | None]]:
    """Transactions from now on, at the configured rate.

    The seed fixes the people and their habits; ids carry a part of their own for each run, so that a second
    run with the same seed is not taken for a resend of the first.
    """
    from simulator import Simulator

    simulator = Simulator(
        users=settings.users,
        anomaly_rate=settings.anomaly_rate,
        seed=settings.seed if settings.seed is not None else _kept_seed(settings.data_dir),
        start=datetime.now(UTC),
        rate=settings.rate,
        run=secrets.token_hex(4),
    )
    yield from simulator.stream()


def _kept_seed(data_dir: Path) -> int:
    """The seed of this data directory, drawn at its first run: the profiles stored there are of the same people.

    Where it cannot be kept it is a new one each time.
    """
    file = data_dir / "simulator.seed"
    with suppress(OSError, ValueError):
        return int(file.read_text(encoding="ascii"))
    seed = secrets.randbits(32)
    with suppress(OSError):
        data_dir.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{seed}\n", encoding="ascii")
    return seed
