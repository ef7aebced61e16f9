"""Commands that are started at the same moment on one data directory: each works, or says in one line why it stops."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import combinations_with_replacement
from pathlib import Path

import psutil
import pytest

from tests.acceptance.remote import wait_until
from tests.acceptance.session import COMMAND, simulated_file

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
COMMANDS: dict[str, tuple[str, ...]] = {
    "daemon": ("--daemon", "--rate", "50", "--users", "20"),
    "stats": ("stats",),
    "init-db": ("init-db",),
    "transactions": ("transactions",),
    "quality": ("quality",),
    "model list": ("model", "list"),
    "reset": ("reset", "--yes"),
    "init-user-profiles": ("init-user-profiles",),
    "score": ("score", "some.jsonl"),
    "replay": ("replay", "some.jsonl"),
    "status": ("status",),
    "doctor": ("doctor",),
    "config": ("config",),
    "attach": ("attach",),
}
PAIRS = list(combinations_with_replacement(COMMANDS, 2)) if FULL else [("daemon", "stats"), ("replay", "reset")]
MAY_STOP = re.compile(
    r"anomaly-tui already runs on|is at work|No engine runs|has no socket yet|needs a terminal|engine ended before"
)
UNHINDERED = ("stats", "init-db", "transactions", "quality", "model list", "score", "doctor", "config")
WITHIN = 120.0


class Commands:
    """Processes of `anomaly-tui` in one folder, each with its stderr in a file."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.data_dir = folder / "data"
        self._environment = environment
        self._folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes], Path]] = []
        simulated_file(folder / "some.jsonl", 50)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        said = self._folder / f"said-{len(self._running)}"
        with said.open("wb") as stderr:
            process = subprocess.Popen(
                [COMMAND, *COMMANDS[name]],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        self._running.append((name, process, said))
        return process

    def end(self) -> dict[str, int]:
        """Exit codes, once all have ended: by themselves, or a daemon that has started on SIGTERM."""
        codes = {}
        for name, process, said in self._running:
            if name == "daemon":
                wait_until(lambda: process.poll() is not None or "engine started" in said.read_text(), name, WITHIN)  # noqa: B023
        for name, process, _ in self._running:
            if name != "daemon":
                process.wait(WITHIN)
        for name, process, said in self._running:
            if name == "daemon" and process.poll() is None:
                process.send_signal(signal.SIGTERM)
            code = codes[name] = process.wait(WITHIN)
            words = said.read_text()
            assert "Traceback" not in words, f"{name}: {words}"
            assert "Unexpected" not in words, f"{name}: {words}"
            assert code == 0 or (code in (1, 3) and MAY_STOP.search(words)), f"{name} ended with {code}: {words}"
        self._running.clear()
        return codes

    def kill(self) -> None:
        """Kill all with what they have started."""
        for _, process, _ in self._running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def left_no_server(self) -> None:
        """Fails where one goes on; who ends last stops it, and it removes its pid file a moment before it ends."""
        wait_until(lambda: not self.servers(), "no server is left", 10)

    def servers(self) -> list[int]:
        """The PostgreSQL servers that run on the data directory."""
        folder = str((self.data_dir / "postgresql").resolve())
        return [
            process.pid
            for process in psutil.process_iter(("name", "cmdline"))
            if process.info["name"] == "postgres" and folder in (process.info["cmdline"] or ())
        ]


@pytest.fixture
def commands(embedded: dict[str, str], tmp_path: Path) -> Iterator[Commands]:
    made = Commands(embedded, tmp_path)
    yield made
    made.kill()
    for pid in made.servers():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_two_commands_start_at_once_on_a_new_data_directory(commands: Commands, pair: Sequence[str]) -> None:
    for name in pair:
        commands.start(name)
    commands.end()
    commands.left_no_server()


def test_all_commands_start_at_once_on_a_new_and_on_an_old_data_directory(commands: Commands) -> None:
    for _ in ("new", "old"):
        for name in COMMANDS:
            commands.start(name)
        codes = commands.end()
        assert not any(codes[name] for name in UNHINDERED), codes
        commands.left_no_server()


def creating(data_dir: Path) -> bool:
    return any(data_dir.glob("postgresql.new-*/base"))


def starting(data_dir: Path) -> bool:
    return (data_dir / "postgresql" / "postmaster.pid").exists()


@pytest.mark.parametrize("moment", [creating, starting])
def test_after_a_kill_while_the_database_is_made_the_next_command_works(
    commands: Commands, moment: Callable[[Path], bool]
) -> None:
    commands.start("init-db")
    wait_until(lambda: moment(commands.data_dir), f"the database is {moment.__name__}", WITHIN)
    commands.kill()
    commands.start("stats")
    assert commands.end() == {"stats": 0}
    commands.left_no_server()
    assert not list(commands.data_dir.glob("postgresql.new-*"))
