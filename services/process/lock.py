"""One engine a data directory: the lock it holds, and where others find its broker."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any, TextIO

from services.errors import UserError


class EngineLock:
    """Held while an engine runs; the kernel lets go of it however the process ends."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "engine.lock"
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
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self.holder()
            file.close()
            raise UserError(
                f"anomaly-tui already runs on {self._path.parent} (process {holder.get('pid', 'unknown')}): "
                "attach to it (anomaly-tui attach), stop it (anomaly-tui stop), or choose another --data-dir."
            ) from None
        self._file = file
        self._facts = {}
        self.describe(pid=os.getpid())

    def describe(self, **facts: Any) -> None:
        """Write what others may want to know besides what was written before, such as the broker's address."""
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
        """Whether an engine runs on this data directory."""
        try:
            with self._path.open("a+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def holder(self) -> dict[str, Any]:
        """What the running engine wrote, or nothing."""
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}
