"""One engine a data directory."""

import fcntl
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from services.attach.find import engine_socket
from services.attach.link import NotRunning
from services.errors import UserError
from services.process.lock import EngineLock


def test_a_second_engine_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
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


def test_a_lock_file_that_is_no_json_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "engine.lock").write_text("{")
    assert EngineLock(tmp_path).holder() == {}


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--data-dir"):
        EngineLock(tmp_path / "file").acquire()


def test_who_looks_never_stands_in_the_way_of_an_engine(tmp_path: Path) -> None:
    (tmp_path / "engine.lock").touch()
    looking = threading.Event()
    looking.set()

    def look() -> None:
        while looking.is_set():
            EngineLock(tmp_path).is_taken()

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(300):
            lock = EngineLock(tmp_path)
            lock.acquire()
            lock.release()
    finally:
        looking.clear()
        watcher.join()


def test_two_who_look_do_not_take_each_other_for_an_engine(tmp_path: Path) -> None:
    with (tmp_path / "engine.lock").open("a") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not EngineLock(tmp_path).is_taken()


def test_what_an_engine_that_was_killed_has_left_is_not_told_of_the_next(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = json.dumps({"pid": dead.pid, "bootstrap": "127.0.0.1:1"})
    (tmp_path / "engine.lock").write_text(left)
    assert EngineLock(tmp_path).holder() == {}
    lock = EngineLock(tmp_path)
    lock.acquire()
    # As it is for a moment while it is taken.
    (tmp_path / "engine.lock").write_text(left)
    writing = threading.Timer(0.1, lambda: lock.describe(bootstrap="127.0.0.1:2"))
    writing.start()
    assert EngineLock(tmp_path).holder() == {"pid": os.getpid(), "bootstrap": "127.0.0.1:2"}
    writing.join()
    lock.release()


def test_a_command_that_no_engine_may_run_beside_is_named(tmp_path: Path) -> None:
    reset = EngineLock(tmp_path, "reset")
    reset.acquire()
    with pytest.raises(UserError, match=rf"`anomaly-tui reset` is at work on .* \(process {os.getpid()}\): try again"):
        EngineLock(tmp_path).acquire()
    with pytest.raises(NotRunning, match="`anomaly-tui reset` is at work"):
        engine_socket(tmp_path)
    reset.release()
