"""A daemon to kill."""

import asyncio
import os
import signal
import sys
from pathlib import Path


class Daemon:
    """`anomaly-tui --daemon` as a process that can be started again."""

    def __init__(self, folder: Path, bootstrap: str, dsn: str, *options: str) -> None:
        self._command = (str(Path(sys.executable).with_name("anomaly-tui")), "--daemon", "--kafka", bootstrap, *options)
        self._environment = {
            **os.environ,
            "DATABASE_URL": dsn,
            "ANOMALY_TUI_DATA_DIR": str(folder / "data"),
            "ANOMALY_TUI_API": "off",
        }
        self._folder = folder
        self.log = folder / "daemon.log"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, cwd=self._folder, stdout=log, stderr=log
            )

    async def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        assert self.process.returncode is None, self.log.read_text()[-4000:]
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)
