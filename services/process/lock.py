"""One process at work on a data directory: the lock it holds, and where others find its broker."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any, TextIO

import psutil

from services.errors import UserError
from services.process.claim import locked

_WRITTEN_WITHIN = 1.0


class EngineLock:
    """Held while an engine runs; the kernel lets go of it however the process ends.

    A `command` that no engine may run beside, such as reset, holds it too, and is named to commands that come then.
    """

    def __init__(self, data_dir: Path, command: str | None = None) -> None:
        self._path = data_dir / "engine.lock"
        self._command = command
        self._file: TextIO | None = None
        self._facts: dict[str, Any] = {}

    def acquire(self) -> None:
        """Take the lock. Raises UserError naming the process that has it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"Cannot write to the data directory {self._path.parent}: {error}. Choose another with --data-dir."
            ) from error
        while not locked(file, fcntl.LOCK_EX):
            # A process that only looks takes the lock shared, and for a moment.
            if not locked(file, fcntl.LOCK_SH):
                file.close()
                raise UserError(self._refusal())
            fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(0.01)
        self._file = file
        self._facts = {}
        self.describe(pid=os.getpid(), **({"command": self._command} if self._command else {}))

    def describe(self, **facts: Any) -> None:
        """Add facts about the engine for other processes to read, such as the broker's address."""
        assert self._file is not None
        self._facts |= facts
        self._file.seek(0)
        self._file.truncate()
        json.dump(self._facts, self._file)
        self._file.flush()

    def release(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def is_taken(self) -> bool:
        """Whether an engine, or a command that none may run beside, is at work on this data directory."""
        try:
            with self._path.open(encoding="utf-8") as file:
                return not locked(file, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def holder(self) -> dict[str, Any]:
        """What the process that has the lock wrote: its `pid` first, and the `command` where it is no engine.

        Nothing where nobody has it, or where it cannot be read.
        """
        deadline = time.monotonic() + _WRITTEN_WITHIN
        while self.is_taken():
            facts = self._written()
            # A process that has just taken the lock has yet to replace what the former holder wrote.
            if psutil.pid_exists(facts.get("pid", -1)) or time.monotonic() > deadline:
                return facts
            time.sleep(0.01)
        return {}

    def _written(self) -> dict[str, Any]:
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def _refusal(self) -> str:
        holder = self.holder()
        where = f"{self._path.parent} (process {holder.get('pid', 'unknown')})"
        if command := holder.get("command"):
            return f"{at_work(command)} on {where}: try again when it has ended, or choose another --data-dir."
        return (
            f"anomaly-tui already runs on {where}: "
            "attach to it (anomaly-tui attach), stop it (anomaly-tui stop), or choose another --data-dir."
        )


def at_work(command: str) -> str:
    """How messages name a command that has the lock."""
    return f"`anomaly-tui {command}` is at work"
