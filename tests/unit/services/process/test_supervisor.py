"""Workers that crash, at start or later, and what their supervisor makes of it."""

import asyncio

import pytest

from services.errors import PermanentError
from services.process import supervisor as supervision
from services.process.supervisor import MOST_RESTARTS, Supervisor, Worker


class Scripted(Worker):
    """Crashes as often as it is told, then runs until it is stopped."""

    def __init__(self, name: str, crashes: int, *, at_start: bool, journal: list[str]) -> None:
        super().__init__()
        self.name = name
        self._crashes = crashes
        self._at_start = at_start
        self._journal = journal

    async def startup(self) -> None:
        self._journal.append(f"start {self.name}")
        if self._at_start:
            self._crash()

    async def main_loop(self) -> None:
        if not self._at_start:
            self._crash()
        await asyncio.Event().wait()

    async def shutdown(self) -> None:
        self._journal.append(f"stop {self.name}")

    def _crash(self) -> None:
        if self._crashes:
            self._crashes -= 1
            raise OSError("broken")


@pytest.fixture
def journal() -> list[str]:
    return []


@pytest.fixture
def eager() -> Supervisor:
    """A supervisor without waiting between restarts."""
    return Supervisor(jitter=lambda: 0.0)


async def settled(eager: Supervisor, name: str) -> str:
    status = next(status for status in eager.statuses if status.name == name)
    while status.state not in ("running", "failed"):
        await asyncio.sleep(0)
        status = next(status for status in eager.statuses if status.name == name)
    return status.state


@pytest.mark.parametrize("at_start", [True, False])
async def test_a_worker_that_always_crashes_fails_after_the_exact_number_of_restarts(eager, journal, at_start) -> None:
    eager.add(Scripted("bad", 1_000, at_start=at_start, journal=journal))
    await eager.start()
    await eager.wait("bad")
    (status,) = eager.statuses
    assert (status.state, status.restarts, status.last_error) == ("failed", MOST_RESTARTS, "OSError: broken")
    assert status.detail == "OSError: broken", "what it failed of, not when it starts again"
    assert journal == ["start bad", "stop bad"] * (MOST_RESTARTS + 1)
    assert eager.failed


async def test_a_worker_that_recovers_runs_on_and_the_others_never_noticed(eager, journal) -> None:
    eager.add(Scripted("good", 0, at_start=False, journal=journal))
    eager.add(Scripted("shaky", 3, at_start=True, journal=journal))
    await eager.start()
    assert await settled(eager, "shaky") == "running"
    good, shaky = eager.statuses
    assert (good.state, good.restarts) == ("running", 0)
    assert shaky.restarts == 3
    await eager.stop()
    assert {status.state for status in eager.statuses} == {"stopped"}
    assert not eager.failed


async def test_workers_start_in_order_and_stop_in_reverse(eager, journal) -> None:
    for name in "abc":
        eager.add(Scripted(name, 0, at_start=False, journal=journal))
    await eager.start()
    await eager.stop()
    assert journal == [f"start {name}" for name in "abc"] + [f"stop {name}" for name in "cba"]


async def test_one_worker_is_stopped_started_and_restarted(eager, journal) -> None:
    eager.add(Scripted("a", 0, at_start=False, journal=journal))
    await eager.start()
    await eager.control("a", "stop")
    assert eager.statuses[0].state == "stopped"
    await eager.control("a", "start")
    await eager.control("a", "restart")
    assert eager.statuses[0].state == "running"
    with pytest.raises(KeyError):
        await eager.control("nobody", "stop")
    await eager.stop()


async def test_backoff_doubles_from_half_a_second_up_to_the_cap(monkeypatch, journal) -> None:
    waits: list[float] = []
    plain_sleep, loop = asyncio.sleep, asyncio.get_running_loop()

    async def noted(seconds: float) -> None:
        here = asyncio.get_running_loop() is loop
        if here:
            waits.append(seconds)
        await plain_sleep(0 if here else seconds)

    monkeypatch.setattr(supervision, "MOST_RESTARTS", 9)
    monkeypatch.setattr(supervision.asyncio, "sleep", noted)
    supervisor = Supervisor(jitter=lambda: 1.0)
    supervisor.add(Scripted("bad", 1_000, at_start=True, journal=journal))
    await supervisor.start()
    await supervisor.wait("bad")
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


class Hopeless(Scripted):
    """Finds at each start that it cannot run."""

    essential = False

    async def startup(self) -> None:
        await super().startup()
        raise PermanentError("Install it first.")


async def test_what_a_restart_does_not_mend_fails_at_once_in_its_own_words(eager, journal) -> None:
    eager.add(Hopeless("optional", 0, at_start=False, journal=journal))
    await eager.start()
    (status,) = eager.statuses
    assert (status.state, status.restarts, status.last_error) == ("failed", 0, "Install it first.")
    assert status.detail == "Install it first."
    assert journal == ["start optional", "stop optional"]
    assert not eager.failed


async def test_an_idle_worker_starts_only_when_it_is_asked_to(eager, journal) -> None:
    eager.add(Scripted("idle", 0, at_start=False, journal=journal), idle=True)
    await eager.start()
    assert (eager.statuses[0].state, journal) == ("stopped", [])
    await eager.control("idle", "start")
    assert eager.statuses[0].state == "running"
    await eager.stop()


async def test_nobody_waits_for_a_worker_whose_start_takes_long(eager, journal) -> None:
    ready = asyncio.Event()

    class Slow(Scripted):
        waited_for = False

        async def startup(self) -> None:
            await ready.wait()

    eager.add(Slow("slow", 0, at_start=False, journal=journal))
    await eager.start()
    assert eager.statuses[0].state == "starting"
    ready.set()
    assert await settled(eager, "slow") == "running"
    await eager.stop()


async def test_a_disturbance_has_a_beginning_of_its_own_and_is_no_restart(eager, journal) -> None:
    worker = Scripted("disturbed", 0, at_start=False, journal=journal)
    eager.add(worker)
    await eager.start()
    (well,) = eager.statuses
    worker.degraded = True
    (disturbed,) = eager.statuses
    worker.degraded = True
    assert eager.statuses == (disturbed,)
    worker.degraded = False
    (again,) = eager.statuses
    assert [each.state for each in (well, disturbed, again)] == ["running", "degraded", "running"]
    assert well.since < disturbed.since < again.since
    assert well.run_since == disturbed.run_since == again.run_since == well.since
    await eager.stop()


async def test_a_worker_that_a_library_cancelled_from_within_is_restarted(eager, journal) -> None:
    class Cancelled(Scripted):
        def _crash(self) -> None:
            if self._crashes:
                self._crashes -= 1
                raise asyncio.CancelledError

    eager.add(Cancelled("once", 1, at_start=False, journal=journal))
    await eager.start()
    await asyncio.wait_for(settled(eager, "once"), 10)
    while eager.statuses[0].restarts == 0 or eager.statuses[0].state != "running":
        await asyncio.sleep(0)
    assert journal == ["start once", "stop once", "start once"]
    await eager.stop()
    assert eager.statuses[0].state == "stopped"


async def test_a_worker_whose_end_goes_wrong_stays_stopped(eager, journal) -> None:
    class Clumsy(Scripted):
        async def shutdown(self) -> None:
            await super().shutdown()
            raise OSError("cannot close")

    eager.add(Clumsy("clumsy", 0, at_start=False, journal=journal))
    await eager.start()
    await asyncio.wait_for(eager.stop(), 10)
    (status,) = eager.statuses
    assert (status.state, status.last_error) == ("stopped", "OSError: cannot close")
    assert journal == ["start clumsy", "stop clumsy"]
