"""A process that fits, started ahead of time: it waits with all that a fit needs imported."""

import asyncio
import contextlib
import os

from detectors.policy import Policy
from domain.verdict import DetectorChoice
from services.models.fit import ASKED, DSN_VARIABLE
from services.process.children import last_words, module


class Fitter:
    """At most one child process: `prepare` starts it, `fit` has it fit, and it ends with that or with the engine."""

    def __init__(self, dsn: str, choice: DetectorChoice, policy: Policy) -> None:
        self._dsn = dsn
        self._choice = choice
        self._policy = policy
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process that waits or fits, if there is one."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def prepare(self) -> None:
        """Start the process unless there is one."""
        await self._started()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                *module("services.models.fit"),
                "--detector",
                self._choice,
                "--alerts-wrong",
                str(self._policy.alerts_wrong),
                *(() if self._policy.alert_rate is None else ("--alert-rate", str(self._policy.alert_rate))),
                env={**os.environ, DSN_VARIABLE: self._dsn},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        return self._child

    async def fit(self) -> None:
        """Fit, if a fit is due. Raises: RuntimeError with the child's last words."""
        child = await self._started()
        assert child.stdin is not None
        assert child.stderr is not None
        # It may have waited for too long and be ending just now: the next look starts another.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            child.stdin.write(ASKED)
            await child.stdin.drain()
        try:
            errors = await child.stderr.read()
            await child.wait()
        finally:
            await self.end()
        if child.returncode:
            raise RuntimeError(f"fitting failed: {last_words(errors)}")

    async def end(self) -> None:
        """End the process, whatever it is doing."""
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
