"""`anomaly-tui quality`, as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from domain.transaction import GroundTruth
from services.store.store import Store
from tests.integration.test_users import AT, committed, stored

COMMAND = str(Path(sys.executable).with_name("anomaly-tui"))


@pytest.fixture
def run(tmp_path: Path, database_url: str):
    """The command on the test's database, with nothing of this machine's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANOMALY_TUI_")}
    environment = kept | {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "ANOMALY_TUI_DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": database_url,
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, "quality", *arguments],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


async def test_quality_is_a_table_and_for_programs_json(store: Store, run) -> None:
    spike, normal = GroundTruth(True, "amount_spike"), GroundTruth(False)
    rows = (
        stored(1, "u", enhanced=True, truth=spike),
        stored(2, "u", basic=True, enhanced=True, truth=spike),
        stored(3, "u", basic=True, truth=normal),
    )
    await committed(store, rows, {})
    shown = run()
    assert shown.returncode == 0, shown.stderr
    assert "recall, amount_spike" in shown.stdout
    assert "100.0%" in shown.stdout
    found = json.loads(run("--json").stdout)
    basic, enhanced = found["detectors"]
    assert (basic["precision"], basic["recall"]) == (0.5, 0.5)
    assert (enhanced["precision"], enhanced["recall"], enhanced["f1"]) == (1.0, 1.0, 1.0)
    assert enhanced["kinds"] == [{"kind": "amount_spike", "anomalous": 2, "caught": 2, "recall": 1.0}]
    later = json.loads(run("--json", "--since", f"{AT:%Y-%m-%d}T12:02").stdout)
    assert [detector["labelled"] for detector in later["detectors"]] == [2, 2]


async def test_without_ground_truth_it_says_so(store: Store, run) -> None:
    await committed(store, (stored(1, "u"),), {})
    shown = run()
    assert shown.returncode == 0
    assert "No stored transaction has both ground truth and a verdict." in shown.stdout
    assert json.loads(run("--json").stdout)["detectors"] == []


async def test_a_time_that_is_none_is_one_clear_line(store: Store, run) -> None:
    shown = run("--since", "soon")
    assert shown.returncode == 2 or shown.returncode == 1
    assert "--since soon" in shown.stderr
    assert len(shown.stderr.strip().splitlines()) == 1
