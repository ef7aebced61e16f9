"""How users, health and disagreement look, compared with screenshots that were looked at."""

from datetime import timedelta

import msgspec
import pytest

from domain.engine import FeatureDrift, PartitionStatus, Snapshot, WorkerStatus
from tests.tui.fake_port import NOON, QUALITY, WORKERS, FakePort, of_few_users, rows
from tests.tui.session import SLOW_HZ, clock
from tui.app import ConsoleApp

SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=lambda size: f"{size[0]}x{size[1]}")


class BusyPort(FakePort):
    """An engine that is behind: every snapshot is a second later, one partition catches up, one falls behind."""

    def __init__(self) -> None:
        pipeline = WorkerStatus(
            name="pipeline", state="degraded", detail="partitions: 3 running, 1 degraded", since=NOON, restarts=2
        )
        models = WorkerStatus(
            name="models", state="backoff", detail="restart 2 in 3.1 s", restarts=1, since=NOON, last_error="OSError: x"
        )
        super().__init__(
            rows(100),
            workers=(*WORKERS[:2], pipeline, models),
            quality=QUALITY,
            drift=(
                FeatureDrift("basic", "amount", 0.31),
                FeatureDrift("enhanced", "velocity_1h", 0.14),
                *(FeatureDrift("enhanced", f"feature {number}", 0.02) for number in range(9)),
            ),
        )
        self._seconds = 0

    def snapshot(self) -> Snapshot:
        self._seconds += 1
        lags = (0, 30 * self._seconds, max(0, 5000 - 40 * self._seconds), -1)
        partitions = tuple(
            PartitionStatus(number, "degraded" if number == 2 else "running", 12_400 + number * self._seconds, lag, 3)
            for number, lag in enumerate(lags)
        )
        at = NOON + timedelta(seconds=self._seconds)
        return msgspec.structs.replace(super().snapshot(), at=at, partitions=partitions, lag=sum(lags) + 1)


def console(port: FakePort, theme: str = "dark") -> ConsoleApp:
    return ConsoleApp(port, refresh_hz=SLOW_HZ, clock=clock, theme=theme)


def pressing(*keys: str):
    """Press each key and wait for what it asks of the engine."""

    async def press(pilot) -> None:
        for key in keys:
            await pilot.press(key)
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()
        pilot.app.tick()
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()

    return press


@SIZES
def test_the_users_screen(snap_compare, size) -> None:
    assert snap_compare(console(FakePort(of_few_users())), terminal_size=size, run_before=pressing("3"))


@pytest.mark.parametrize("theme", ["dark", "ansi"])
def test_a_profile_in_place(snap_compare, theme) -> None:
    app = console(FakePort(of_few_users()), theme)
    assert snap_compare(app, terminal_size=(80, 24), run_before=pressing("3", "enter", "k"))


def test_the_transactions_of_a_user(snap_compare) -> None:
    app = console(FakePort(of_few_users()))
    assert snap_compare(app, terminal_size=(80, 24), run_before=pressing("3", "l"))


@SIZES
def test_the_health_screen_of_an_engine_in_trouble(snap_compare, size) -> None:
    app = console(BusyPort())

    async def later(pilot) -> None:
        for _ in range(90):
            app.intake.pull()
        await pressing("4", "h")(pilot)

    assert snap_compare(app, terminal_size=size, run_before=later)


def test_workers_after_a_restart(snap_compare) -> None:
    assert snap_compare(console(FakePort(rows(20))), terminal_size=(80, 24), run_before=pressing("W", "j", "r"))


@SIZES
def test_where_the_detectors_disagree(snap_compare, size) -> None:
    keys = ("b", "k", "x") if size[0] < 120 else ("b", "k")
    assert snap_compare(console(FakePort(rows(500))), terminal_size=size, run_before=pressing(*keys))
