"""That benchmarks can still be started: they are run by hand, so a name that has moved would be noticed late."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("script", [path.name for path in sorted(FOLDER.glob("[a-z]*.py"))])
def test_a_benchmark_finds_all_that_it_measures(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    assert "argparse" in runpy.run_path(str(FOLDER / script), run_name="imported")
