"""The command in an environment of its own."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.session import COMMAND, Run


@pytest.fixture
def environment(tmp_path: Path, database_url: str) -> dict[str, str]:
    """An environment of its own: nothing of this machine's settings is seen, everything lands in `tmp_path`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANOMALY_TUI_")}
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    own = {"ANOMALY_TUI_DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": database_url, "ANOMALY_TUI_API": "off"}
    return {**kept, **home, **own}


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
