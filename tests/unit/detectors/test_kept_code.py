"""Where compiled code is kept: every process has to find what one of them compiled."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import detectors
from detectors import compiled

ASK = "import numba, detectors.compiled as compiled; print(numba.config.CACHE_DIR, compiled.__file__)"


def test_it_is_kept_in_one_place_whether_or_not_python_writes_bytecode(tmp_path: Path) -> None:
    sources = tmp_path / "sources" / "detectors"
    shutil.copytree(Path(detectors.__file__).parent, sources, ignore=shutil.ignore_patterns("__pycache__"))
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def kept_in(home: str, **variables: str) -> Path:
        environment = {**inherited, "HOME": str(tmp_path / home), **variables}
        command = [sys.executable, "-c", ASK]
        told = subprocess.check_output(command, cwd=sources.parent, env=environment, text=True).split()
        assert told[1] == str(sources / "compiled.py")
        return Path(told[0])

    first = kept_in("one", PYTHONDONTWRITEBYTECODE="1")
    assert kept_in("another") == first
    assert kept_in("another", PYTHONDONTWRITEBYTECODE="1") == first
    assert first.parent == sources / "__pycache__"


def test_what_other_sources_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.py").write_text("first = 1\n")
    monkeypatch.setattr(compiled, "_SOURCES", tmp_path)
    left, own = tmp_path / "__pycache__" / "compiled-of-old", compiled._kept_in()
    for folder in (left, own):
        folder.mkdir(parents=True)
        (folder / "code").touch()
    compiled.forget_others()
    assert list(own.parent.iterdir()) == [own]
