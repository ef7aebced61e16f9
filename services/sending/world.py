"""The simulated world of a data directory: where it stopped, and how it goes on from there."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from domain.transaction import GroundTruth, Transaction
from services.settings import Settings

if TYPE_CHECKING:
    from simulator import Simulator

BEGINNING = datetime(2026, 1, 5, tzinfo=UTC)
"""When a new world begins, a Monday: the same for everybody, so that a seed gives the same stream on every day."""

HISTORY_DAYS = 10.0
MOST_HISTORY = 10_000
"""Transactions of history: storing, fitting on and judging them is what the first anomaly on screen waits for."""

UNSEEN_WHEN_LIVE = ("unusual_hour", "velocity_burst", "card_testing")
"""Kinds that cannot show where somebody buys every few seconds: there is no usual hour, and all is a burst."""

_BUSY = 100.0
"""Transactions of a user a day, from which those kinds are left out."""

_KEPT_AHEAD = 10.0
"""Seconds of sending that are written down before they are sent: after a crash the world goes on behind them."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a world has come to: event time, and how many transactions there were.

    `begun` is when the lives of its people began, `run` the prefix of its transaction ids. `history_until` is where its
    history ends, once that was begun.
    """

    seed: int
    begun: datetime
    at: datetime
    number: int
    run: str
    history_until: datetime | None = None


class World:
    """People at a human pace, with a clock that runs as fast as the rate asks: never slower than the wall's.

    `stored_until` is the newest event stored, from which a world goes on of which nothing else is known. It is
    the only writer of its place; reading and writing that never fails, at worst the world begins again.
    """

    def __init__(self, settings: Settings, stored_until: datetime | None = None) -> None:
        from simulator import Simulator, rate_of

        people = rate_of(settings.users)
        self._rate = settings.rate
        self._days = settings.history_days
        self.speed = max(1.0, settings.rate / people)
        """Seconds of event time in one second of sending."""
        self._file = settings.data_dir / "simulator.json"
        self._place = _place(self._file, settings, stored_until)
        self._simulator: Simulator = Simulator(
            settings.users,
            settings.anomaly_rate,
            self._place.seed,
            start=self._place.at,
            rate=settings.rate / self.speed,
            run=self._place.run,
            begun=self._place.begun,
            number=self._place.number,
        )
        self._people = people
        self._stream = self._simulator.stream()

    def history_left(self, *, first: bool) -> int:
        """How many transactions of history are still to come; `first` begins it, where nothing is stored.

        Ten days altogether, or fewer of many people, unless it is configured.
        """
        if first:
            usual = min(timedelta(days=HISTORY_DAYS), timedelta(seconds=MOST_HISTORY / self._people))
            span = usual if self._days is None else timedelta(days=self._days)
            self._place = msgspec.structs.replace(self._place, history_until=self.now + span)
        until = self._place.history_until
        return 0 if until is None else max(0, round((until - self.now).total_seconds() * self._simulator.rate))

    @property
    def now(self) -> datetime:
        """The event time that the world has come to."""
        return datetime.fromtimestamp(self._simulator.now, UTC)

    def stream(self) -> Iterator[tuple[Transaction, GroundTruth | None]]:
        """What comes next, without end. Asked again, it goes on."""
        while True:
            # What comes next may be later than the clock by one step of it.
            if self._simulator.now + 2 * self.speed / self._rate >= self._place.at.timestamp():
                self._keep(_KEPT_AHEAD)
            yield next(self._stream)

    def stop(self) -> None:
        """Write down where it stopped."""
        self._keep(0.0)

    def _keep(self, ahead: float) -> None:
        place = msgspec.structs.replace(
            self._place,
            # A microsecond on: what comes next is later than all there was.
            at=self.now + timedelta(seconds=ahead * self.speed, microseconds=1),
            number=self._simulator.number + int(ahead * self._rate),
        )
        self._place = place
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._file.with_suffix(".new")
            beside.write_bytes(msgspec.json.format(msgspec.json.encode(place)) + b"\n")
            beside.replace(self._file)


def live_simulator(settings: Settings) -> "Simulator":
    """People from now on by the wall's clock, at the configured rate: `--pace live`.

    The seed fixes the people and their habits; ids carry a part of their own for each run, so that a second
    run with the same seed is not taken for a resend of the first.
    """
    from simulator import Simulator

    return Simulator(
        users=settings.users,
        anomaly_rate=settings.anomaly_rate,
        seed=_seed(settings),
        start=datetime.now(UTC),
        rate=settings.rate,
        run=secrets.token_hex(4),
        kinds=live_kinds(settings),
    )


def live_kinds(settings: Settings) -> tuple[str, ...]:
    """The kinds of anomaly that can show in wall time."""
    from simulator import KINDS

    busy = settings.rate / settings.users * 86_400 > _BUSY
    return tuple(kind for kind in KINDS if not (busy and kind in UNSEEN_WHEN_LIVE))


def _place(file: Path, settings: Settings, stored_until: datetime | None) -> Place:
    seed = _seed(settings)
    before: Place | None = None
    with suppress(OSError, msgspec.DecodeError):
        before = msgspec.json.decode(file.read_bytes(), type=Place)
    if before is not None and before.seed == seed:
        return before
    at = BEGINNING
    if before is not None:
        at = before.at
    elif stored_until is not None:
        at = max(at, stored_until + timedelta(seconds=1))
    return Place(seed=seed, begun=at, at=at, number=before.number if before else 0, run=secrets.token_hex(4))


def _seed(settings: Settings) -> int:
    return settings.seed if settings.seed is not None else _kept_seed(settings.data_dir)


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
