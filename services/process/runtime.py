"""Where a running engine has its socket and process id: short paths that only its own user can reach."""

import hashlib
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from services.errors import UserError

SOCKET = "engine.sock"
PID = "engine.pid"
_LONGEST_PATH = 100
"""Bytes of a socket's path; the kernel takes 107 on Linux and 103 on macOS."""


class RuntimeFolder:
    """The runtime directory of one data directory.

    It is under what systemd gives a service (RUNTIME_DIRECTORY), else under XDG_RUNTIME_DIR, else under /tmp. Engine
    and console may see different variables, so the engine writes where its socket is into its lock.
    """

    def __init__(self, data_dir: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
        self._environment = environment
        self._parents, self.path = _chosen(self._name, environment)

    @property
    def socket(self) -> Path:
        """Where the engine listens."""
        return self.path / SOCKET

    def open(self) -> None:
        """Make the folder, private to this user, and leave the process id in it.

        The folder is chosen at each call: that of a login session ends with the session, which an engine may outlive.
        Raises: UserError where somebody else could reach into it; OSError where it cannot be made.
        """
        self._parents, self.path = _chosen(self._name, self._environment)
        for folder in (*self._parents, self.path):
            folder.mkdir(mode=0o700, exist_ok=True)
            _check_private(folder)
        (self.path / PID).write_text(f"{os.getpid()}\n", encoding="ascii")

    def close(self) -> None:
        """Remove what `open` made."""
        with suppress(OSError):
            (self.path / PID).unlink(missing_ok=True)
            self.path.rmdir()


def _chosen(name: str, environment: Mapping[str, str]) -> tuple[tuple[Path, ...], Path]:
    """The folders to be made above it, and the runtime directory."""
    service = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    session = environment.get("XDG_RUNTIME_DIR", "")
    candidates: list[tuple[Path, ...]] = []
    if service:
        candidates.append((Path(service),))
    if session and Path(session).is_dir() and Path(session).stat().st_uid == os.geteuid():
        candidates.append((Path(session) / "anomaly-tui",))
    for parents in candidates:
        path = parents[-1] / name
        if len(os.fsencode(path / SOCKET)) <= _LONGEST_PATH:
            return parents, path
    parent = Path(f"/tmp/anomaly-tui-{os.geteuid()}")  # noqa: S108 - private, see `_check_private`
    return (parent,), parent / name


def _check_private(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise UserError(
            f"{folder} is not a folder that only you can enter: remove it (or chmod 700 it), or set XDG_RUNTIME_DIR."
        )
