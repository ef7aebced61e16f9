"""What `make check` makes of the answers, and the silence, of those who know of vulnerabilities."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AUDIT = runpy.run_path(str(ROOT / ".ci" / "audit"))
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
HOLED = {"name": "holed", "version": "0.9", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.0"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


def test_a_vulnerability_is_named_with_the_release_that_mends_it() -> None:
    assert list(AUDIT["python_findings"]({"dependencies": [SOUND, HOLED]})) == [
        "holed 0.9: PYSEC-1, fixed in 1.0",
    ]
    found = {"vulnerabilities": {"holed": {"range": "<1.0", "severity": "high"}}}
    assert list(AUDIT["node_findings"](found)) == ["holed <1.0: high"]
    assert list(AUDIT["node_findings"]({"vulnerabilities": {}})) == []


@pytest.mark.parametrize(
    ("findings", "answer"),
    [
        ("python_findings", {"dependencies": [SOUND, UNKNOWN]}),
        ("node_findings", {"message": "405 Method Not Allowed"}),
        ("node_findings", {"error": {"summary": "no route"}}),
    ],
)
def test_what_was_not_checked_is_not_called_sound(findings: str, answer: Any) -> None:
    with pytest.raises(ValueError):
        list(AUDIT[findings](answer))


def test_where_nobody_answers_it_says_so_and_is_no_failure() -> None:
    nobody = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:1")
    done = subprocess.run(
        (sys.executable, ".ci/audit"), cwd=ROOT, env={**os.environ, **nobody}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(line.partition(":")[0] for line in done.stdout.splitlines()) == ["Node packages", "Python packages"]
    assert done.stdout.count("not checked for known vulnerabilities") == 2
