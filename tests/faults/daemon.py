"""A daemon to kill, and to put something into."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from services.process.children import spawn
from tests.waiting import until

QUICKLY_MISSED = """
from services.pipeline import member
member.SESSION_TIMEOUT_MS = 6_000
"""
"""Code for `sabotage`: Kafka gives the partitions of a daemon that was killed to others after these milliseconds, its
least, instead of 15 s."""

VICTIM = "the deadly one"

DEADLY = f"""
import os
from detectors.enhanced import EnhancedModel

score = EnhancedModel.score_together

def deadly(model, transactions, *arguments, **options):
    if any(transaction.transaction_id == {VICTIM!r} for transaction in transactions):
        os.abort()
    return score(model, transactions, *arguments, **options)

EnhancedModel.score_together = deadly
"""
"""Code for `sabotage`: scoring the transaction of that id ends the process."""


def sabotage(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have every Python process that is started from here run this code first."""
    modules = folder / "sabotage"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(modules))


class Daemon:
    """`anomaly-tui --daemon` as a process that can be started again, of the sources in `code` where that is given."""

    def __init__(self, folder: Path, bootstrap: str, dsn: str, *options: str, code: Path | None = None) -> None:
        self._command = (str(Path(sys.executable).with_name("anomaly-tui")), "--daemon", "--kafka", bootstrap, *options)
        self._environment = {
            **os.environ,
            "DATABASE_URL": dsn,
            "ANOMALY_TUI_DATA_DIR": str(folder / "data"),
            "ANOMALY_TUI_API": "off",
            **({} if code is None else {"PYTHONPATH": str(code)}),
        }
        self._folder = folder
        self.log = folder / "daemon.log"
        self.process: asyncio.subprocess.Process | None = None
        self._said = 0

    async def start(self) -> None:
        self._said = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            # It ends with the tests, also where one fails before it has ended it.
            self.process = await spawn(*self._command, env=self._environment, cwd=self._folder, stdout=log, stderr=log)

    async def started(self, within: float) -> None:
        """Wait until it runs: one that is told to end before it has begun need not do so in good order."""
        await until(lambda: b"engine started" in self.log.read_bytes()[self._said :], within)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        assert self.process.returncode is None, self.log.read_text()[-4000:]
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)
