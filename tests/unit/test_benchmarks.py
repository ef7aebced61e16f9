"""That benchmarks can still be started: they are run by hand, so a name that has moved would be noticed late."""

import json
import runpy
from pathlib import Path

import pytest

from tests.faults import figures
from tests.faults.figures import Figures

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("script", [path.name for path in sorted(FOLDER.glob("[a-z]*.py"))])
def test_a_benchmark_finds_all_that_it_measures(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    assert "argparse" in runpy.run_path(str(FOLDER / script), run_name="imported")


def test_figures_are_put_into_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    filled = runpy.run_path(str(FOLDER / "_document.py"), run_name="imported")["filled"]
    machine = {"cores": 2, "memory_gib": 23.5, "python": "3.11.7"}
    figures = {"ours": {"rate": 20_000.4, "ours_us": 45.06}, "ceiling: decode and COPY": {"rate": 40_000.0}}
    kept = {"at": "2026-03-01T12:00:00+00:00", "commit": "abc1234", "machine": machine, "figures": figures}
    (tmp_path / "throughput.json").write_text(json.dumps(kept))
    (tmp_path / "start.json").write_text(json.dumps(kept | {"figures": {"warm": 2.46}}))
    text = filled(
        "a\n<!-- throughput -->\nold\n<!-- end -->\n<!-- start -->\n<!-- end -->\n<!-- x -->\n<!-- end -->", tmp_path
    )
    assert (
        text
        == """\
a
<!-- throughput -->
| | tx/s | ours, us | of the ceiling |
|---|---:|---:|---:|
| ours | 20,000 | 45.1 | 0.50 |
| ceiling: decode and COPY | 40,000 |  | 1.00 |

2 cores, 23.5 GiB, Python 3.11.7; commit abc1234, 2026-03-01.
<!-- end -->
<!-- start -->
| | s |
|---|---:|
| warm | 2.46 |

2 cores, 23.5 GiB, Python 3.11.7; commit abc1234, 2026-03-01.
<!-- end -->
<!-- x -->
<!-- end -->"""
    )


def test_what_fault_tests_counted_becomes_rows_with_controls_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    script = runpy.run_path(str(FOLDER / "_document.py"), run_name="imported")
    counted = Figures(faults=3, sent=50_000, recovery=2.5)
    monkeypatch.setattr(figures, "FOLDER", tmp_path)
    for module, test, control in (("test_a.py", "test_without_a_fence", True), ("test_b.py", "test_1_kills", False)):
        counted.control, counted.counted = control, True
        counted.write(module, test)
    rows = script["fault_rows"](tmp_path)
    assert [*rows] == ["b: 1 kills", "a: without a fence"]
    assert [row["length"] for row in rows.values()] == ["full" if figures.FULL else "short", "control"]
    assert "| b: 1 kills | " in script["table"](
        {"figures": rows, "machine": {"cores": 2, "memory_gib": 1, "python": "3"}, "commit": "c", "at": "2026-03-01T1"}
    )
