"""One engine a data directory."""

import os
from pathlib import Path

import pytest

from services.errors import UserError
from services.process.lock import EngineLock


def test_a_second_engine_is_refused_and_told_who_has_it(tmp_path: Path):
    first, second = EngineLock(tmp_path), EngineLock(tmp_path)
    assert not second.is_taken()
    first.acquire()
    first.describe(bootstrap="127.0.0.1:9092")
    with pytest.raises(UserError, match="already runs") as raised:
        second.acquire()
    assert str(first.holder()["pid"]) in str(raised.value)
    assert second.is_taken()
    first.describe(socket="/run/engine.sock")
    assert second.holder() == {"pid": os.getpid(), "bootstrap": "127.0.0.1:9092", "socket": "/run/engine.sock"}
    first.release()
    second.acquire()
    second.release()


def test_a_lock_file_that_is_no_json_tells_nothing(tmp_path: Path):
    (tmp_path / "engine.lock").write_text("{")
    assert EngineLock(tmp_path).holder() == {}


def test_a_folder_that_cannot_be_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--data-dir"):
        EngineLock(tmp_path / "file").acquire()
