"""The command in an environment of its own."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.session import COMMAND, Run


@pytest.fixture
def embedded(tmp_path: Path) -> dict[str, str]:
    """An environment of its own: nothing of this machine's settings is seen, everything lands in `tmp_path`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANOMALY_TUI_")}
    kept.pop("DATABASE_URL", None)
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return {**kept, **home, "ANOMALY_TUI_DATA_DIR": str(tmp_path / "data"), "ANOMALY_TUI_API": "off"}


@pytest.fixture
def environment(embedded: dict[str, str], database_url: str) -> dict[str, str]:
    """The same, with a database of the session's server instead of a server of its own."""
    return {**embedded, "DATABASE_URL": database_url}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: object, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            env={**environment, **changed},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def folder() -> Iterator[Path]:
    """For tmux: short, because its sockets are there."""
    with tempfile.TemporaryDirectory(prefix="tmux-") as made:
        yield Path(made)
