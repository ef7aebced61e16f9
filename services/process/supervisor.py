"""Starts workers in order, restarts the ones that crash, and stops them all in reverse."""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from domain.engine import WorkerAction, WorkerState, WorkerStatus
from services.errors import PermanentError

log = structlog.get_logger("supervisor")

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 30.0
HEALTHY_AFTER = 60.0
MOST_RESTARTS = 5
RESTART_WINDOW = 60.0
START_WITHIN = 20.0


class Worker:
    """Something that runs until it is cancelled: `startup`, `main_loop`, `shutdown`.

    A worker reports its condition through `detail` (one line) and `degraded`, and its liveness through `beat`.
    The engine goes on without one that is not `essential`. Nobody waits for the start of one that is not `waited_for`,
    because it may take minutes.
    """

    name = "worker"
    essential = True
    waited_for = True

    def __init__(self) -> None:
        self.detail = ""
        self._degraded = False
        self.turned_at: datetime | None = None
        """When it became degraded, or well again."""
        self.heartbeat_at: datetime | None = None

    @property
    def degraded(self) -> bool:
        """Whether it works only as far as it can."""
        return self._degraded

    @degraded.setter
    def degraded(self, degraded: bool) -> None:
        if degraded != self._degraded:
            self._degraded = degraded
            self.turned_at = datetime.now(UTC)

    def beat(self, detail: str | None = None) -> None:
        """A sign of life, with an optional new line for people."""
        self.heartbeat_at = datetime.now(UTC)
        if detail is not None:
            self.detail = detail

    async def startup(self) -> None:
        """Acquire what the loop needs."""

    async def main_loop(self) -> None:
        """Work until cancelled; returning means that the work is done."""
        raise NotImplementedError(self.name)

    async def shutdown(self) -> None:
        """Release it again; also called after a crash."""


class Supervised:
    """One worker's life: state, restarts, last error."""

    def __init__(self, worker: Worker, jitter: Callable[[], float]) -> None:
        self.worker = worker
        self.state: WorkerState = "stopped"
        self.restarts = 0
        self.since = datetime.now(UTC)
        self.last_error: str | None = None
        self.started = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._jitter = jitter
        self._recent: deque[float] = deque()

    def _enter(self, state: WorkerState) -> None:
        self.state = state
        self.since = datetime.now(UTC)

    @property
    def status(self) -> WorkerStatus:
        """A frozen picture of it."""
        state: WorkerState = "degraded" if self.state == "running" and self.worker.degraded else self.state
        turned_at = self.worker.turned_at if self.state == "running" else None
        return WorkerStatus(
            name=self.worker.name,
            state=state,
            essential=self.worker.essential,
            detail=self.worker.detail,
            restarts=self.restarts,
            since=max(self.since, turned_at) if turned_at else self.since,
            run_since=self.since,
            heartbeat_at=self.worker.heartbeat_at,
            last_error=self.last_error,
        )

    async def run(self) -> None:
        """Run the worker, restarting it with backoff, until it is done, cancelled or past the cap."""
        attempt = 0
        while True:
            self._enter("starting")
            began = time.monotonic()
            try:
                await self._once()
            except asyncio.CancelledError as error:
                if is_cancelled():
                    self._enter("stopped")
                    raise
                # A library let a cancellation of its own out: the worker ended, and nobody had asked it to.
                self.last_error = "CancelledError: it was cancelled from within"
                log.error("worker crashed", worker=self.worker.name, error=self.last_error, exc_info=error)
            except PermanentError as error:
                self.last_error = self.worker.detail = str(error)
                self._enter("failed")
                self.started.set()
                log.warning("worker cannot run", worker=self.worker.name, error=self.last_error)
                return
            except Exception as error:
                self.last_error = f"{type(error).__name__}: {error}"
                if is_cancelled():
                    # What went wrong while it tidied up is no reason to start it again.
                    self._enter("stopped")
                    log.warning("worker stopped badly", worker=self.worker.name, error=self.last_error, exc_info=error)
                    raise asyncio.CancelledError from error
                log.error("worker crashed", worker=self.worker.name, error=self.last_error, exc_info=error)
            else:
                self._enter("stopped")
                self.started.set()
                return
            now = time.monotonic()
            attempt = 0 if now - began > HEALTHY_AFTER else attempt + 1
            self._recent.append(now)
            while self._recent and now - self._recent[0] > RESTART_WINDOW:
                self._recent.popleft()
            if len(self._recent) > MOST_RESTARTS:
                self._enter("failed")
                self.started.set()
                self.worker.detail = self.last_error
                log.error(
                    "worker failed for good", worker=self.worker.name, restarts=self.restarts, error=self.last_error
                )
                return
            self._enter("backoff")
            wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** max(attempt - 1, 0)) * self._jitter()
            self.worker.detail = f"restart {self.restarts + 1} in {wait:.1f} s ({self.last_error})"
            await asyncio.sleep(wait)
            self.restarts += 1

    async def _once(self) -> None:
        try:
            await self.worker.startup()
            self._enter("running")
            self.started.set()
            await self.worker.main_loop()
        finally:
            await self.worker.shutdown()


def is_cancelled() -> bool:
    """Whether somebody cancelled the task that asks."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Supervisor:
    """The workers of one process. A crash of one never ends another, nor the console."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self._workers: dict[str, Supervised] = {}
        self._idle: set[str] = set()

    def add(self, worker: Worker, *, idle: bool = False) -> None:
        """Supervise `worker`; the order of adding is the order of starting. An `idle` one starts when asked to."""
        self._workers[worker.name] = Supervised(worker, self._jitter)
        if idle:
            self._idle.add(worker.name)

    @property
    def statuses(self) -> tuple[WorkerStatus, ...]:
        """All workers, in start order."""
        return tuple(supervised.status for supervised in self._workers.values())

    @property
    def failed(self) -> bool:
        """Whether any worker that is essential has used up its restarts."""
        return any(each.state == "failed" and each.worker.essential for each in self._workers.values())

    async def start(self) -> None:
        """Start every worker but the idle, each after the one before has started, failed, or had its time."""
        for name in [name for name in self._workers if name not in self._idle]:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_WITHIN):
                    await self.start_worker(name)

    async def start_worker(self, name: str) -> None:
        """Start one worker unless it runs; returns once it started or failed, if it is waited for. Raises KeyError."""
        supervised = self._workers[name]
        if supervised.task is None or supervised.task.done():
            supervised.started.clear()
            supervised.task = asyncio.create_task(supervised.run(), name=name)
        if supervised.worker.waited_for:
            await supervised.started.wait()
        else:
            # It is seen to be starting from now on.
            await asyncio.sleep(0)

    async def stop_worker(self, name: str, deadline: float = 10.0) -> None:
        """Cancel one worker and wait for its shutdown, `deadline` seconds at most. Raises KeyError."""
        task = self._workers[name].task
        if task is None or task.done():
            return
        task.cancel()
        _, pending = await asyncio.wait({task}, timeout=deadline)
        if pending:
            log.error("worker did not stop in time", worker=name, seconds=deadline)

    async def control(self, name: str, action: WorkerAction) -> None:
        """Start, stop or restart one worker. Raises KeyError for an unknown name."""
        if action in ("stop", "restart"):
            await self.stop_worker(name)
        if action in ("start", "restart"):
            await self.start_worker(name)

    async def wait(self, name: str) -> WorkerState:
        """Wait until one worker is done, stopped or failed for good. Raises KeyError."""
        supervised = self._workers[name]
        if supervised.task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(supervised.task)
        return supervised.state

    async def stop(self) -> None:
        """Stop all workers, the last started first."""
        for name in reversed(self._workers):
            await self.stop_worker(name)
