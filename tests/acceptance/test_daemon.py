"""A daemon and the consoles attached to it, as processes: each may be killed, and the others go on."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.acceptance.remote import Host, console
from tests.acceptance.session import COMMAND, Run, wait_until_started
from tests.waiting import wait_until

LIVE, LOST, FEED = r"▶LIVE \d", "✗LOST", r"Feed .*▼follow"


class Daemon:
    """`anomaly-tui --daemon` with the simulator, started and ended at will; its manager's words are kept."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.log = folder / "daemon.log"
        self._folder = folder
        self.told: list[str] = []
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(f"\0anomaly-tui-manager-{os.getpid()}")
        self._environment = {
            **environment,
            "NOTIFY_SOCKET": f"@anomaly-tui-manager-{os.getpid()}",
            "WATCHDOG_USEC": "400000",
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [COMMAND, "--daemon", "--rate", "60", "--users", "20", "--seed", "3", "--api", "off"],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        self.process.send_signal(number)

    def _listen(self) -> None:
        while words := self._manager.recv(4096):
            self.told += words.decode().splitlines()

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._manager.getsockname())
        self._listening.join()
        self._manager.close()


@pytest.fixture
def daemon(environment: dict[str, str], tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(environment, tmp_path)
    made.start()
    yield made
    made.close()


def status(run: Run) -> tuple[int, dict]:
    shown = run("status", "--json")
    return shown.returncode, json.loads(shown.stdout)


def wait_until_well(daemon: Daemon, run: Run) -> dict:
    wait_until_started(daemon.log)
    wait_until(lambda: status(run)[0] == 0, "a daemon that is well")
    return status(run)[1]


def consoles_of(folder: Path) -> list[psutil.Process]:
    """The processes that are attached from a tmux in that folder."""
    found = []
    for process in psutil.process_iter():
        try:
            inside = str(folder) in process.environ().get("TMUX", "")
            found += [process] if inside and process.cmdline()[1:3] == [COMMAND, "attach"] else []
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return sorted(found, key=lambda process: process.create_time())


def test_each_party_is_killed_and_the_others_go_on(
    daemon: Daemon, environment: dict[str, str], run: Run, folder: Path
) -> None:
    facts = wait_until_well(daemon, run)
    assert daemon.process is not None
    assert facts["pid"] == daemon.process.pid
    assert {worker["name"] for worker in facts["workers"]} >= {"attach", "pipeline", "producer"}
    with ExitStack() as open_ones:
        one, two = (open_ones.enter_context(console(name, environment, folder, "attach")) for name in ("one", "two"))
        for terminal in (one, two):
            terminal.wait_for(LIVE)
            terminal.wait_for(FEED)
        wait_until(lambda: "2 consoles" in run("status").stdout, "both in the status")

        consoles_of(folder)[0].kill()
        wait_until(lambda: "code 137" in one.screen + two.screen, "one of them killed")
        survivor = two if "code 137" in one.screen else one
        wait_until(lambda: "1 console " in run("status").stdout, "one left")
        held = survivor.screen
        wait_until(lambda: survivor.screen != held, "a console that goes on")
        assert status(run)[0] == 0
        assert re.search(r"^flagged .* since the start *$", run("status").stdout, re.MULTILINE)
        line = run("status", "--format", "{state} {lag} {running}")
        assert (line.returncode, line.stdout.split()[0]) == (0, "well"), line.stderr
        assert "there is no {speed}" in run("status", "--format", "{speed}").stderr

        daemon.signal(signal.SIGSTOP)
        survivor.wait_for(LOST)
        code, facts = status(run)
        assert (code, facts["running"], facts["well"]) == (1, True, False)
        daemon.signal(signal.SIGCONT)
        survivor.wait_for(LIVE)

        daemon.signal(signal.SIGKILL)
        daemon.process.wait()
        survivor.wait_for(f"{LOST}.*no engine runs; trying again")
        survivor.run("send-keys", "j", "2", "a", "1")
        missing = run("status")
        assert missing.returncode == 3
        assert "anomaly-tui --daemon" in missing.stderr

        daemon.start()
        survivor.wait_for(LIVE)
        assert status(run)[1]["pid"] == daemon.process.pid
        survivor.run("send-keys", "q")
        survivor.wait_for("code 0")
    assert status(run)[0] == 0, "q leaves the daemon running"


def test_a_daemon_is_watched_restarted_in_part_and_stopped(daemon: Daemon, run: Run) -> None:
    facts = wait_until_well(daemon, run)
    assert daemon.told.count("READY=1") == 1
    known = daemon.told.count("WATCHDOG=1")
    wait_until(lambda: daemon.told.count("WATCHDOG=1") > known + 2, "signs of life")
    assert Path(facts["socket"]).is_socket()
    second = run("--daemon")
    assert second.returncode == 1
    assert "anomaly-tui attach" in second.stderr
    for worker in ("producer", "attach"):
        restarted = run("restart", worker)
        assert (restarted.returncode, restarted.stdout.strip()) == (0, f"{worker} is running again."), restarted.stderr
    unknown = run("restart", "nobody")
    assert unknown.returncode == 1
    assert "pipeline" in unknown.stderr
    table = run("status").stdout
    assert "up " in table
    assert "producer" in table
    stopped = run("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert daemon.process is not None
    assert daemon.process.wait(60) == 0
    wait_until(lambda: "STOPPING=1" in daemon.told, "the last word")
    assert not Path(facts["socket"]).parent.exists()
    code, facts = status(run)
    assert (code, facts["running"], facts["well"]) == (3, False, False)


def test_a_console_beside_a_daemon_offers_to_attach(
    daemon: Daemon, environment: dict[str, str], run: Run, folder: Path
) -> None:
    wait_until_well(daemon, run)
    with console("no", environment, folder) as terminal:
        terminal.wait_for("Attach to it")
        terminal.run("send-keys", "n", "Enter")
        terminal.wait_for("Nothing was started")
        terminal.wait_for("code 1")
    with console("yes", environment, folder) as terminal:
        terminal.wait_for("Attach to it")
        terminal.run("send-keys", "Enter")
        terminal.wait_for(LIVE)
        terminal.run("send-keys", "Q")
        terminal.wait_for("Stop everything")
        terminal.run("send-keys", "y")
        terminal.wait_for("code 0")
    assert daemon.process is not None
    assert daemon.process.wait(20) == 0


def test_an_ssh_session_that_is_killed_takes_its_console_and_nothing_else(
    daemon: Daemon, environment: dict[str, str], run: Run, tmp_path: Path
) -> None:
    wait_until_well(daemon, run)
    (tmp_path / "ssh").mkdir()
    host = Host(tmp_path / "ssh", {"ANOMALY_TUI_DATA_DIR": environment["ANOMALY_TUI_DATA_DIR"], "LC_ALL": "C.UTF-8"})
    host.start()
    try:
        with host.login(f"{COMMAND} attach") as terminal:
            terminal.wait_for("LIVE")
            wait_until(lambda: "1 console " in run("status").stdout, "the console in the status")
            terminal.process.kill()
        wait_until(lambda: "0 consoles" in run("status").stdout, "a console that has gone")
        assert status(run)[0] == 0
    finally:
        host.stop()


def test_reconcile_accounts_for_the_embedded_broker_of_a_running_engine_only(daemon: Daemon, run: Run) -> None:
    def stats() -> dict:
        done = run("stats", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else {"transactions": 0}

    wait_until_started(daemon.log)
    wait_until(lambda: stats()["transactions"] > 100, "transactions")
    done = run("reconcile", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["accounted"], found["engines"], len(found["partitions"])) == (True, 1, 4)
    assert found["totals"]["stored"] > 100
    assert set(found["totals"]) <= {"stored", "waiting"}
    counted = stats()
    assert counted["accounts"]["transactions"]["stored"] >= found["totals"]["stored"]
    for row in counted["progress"]:
        sums = ("stored", "resends", "dead", "skipped", "copied", "repeats", "without_record", "lost")
        assert row["next_offset"] - row["first_offset"] == sum(row[name] for name in sums)
    assert "offsets of 4 partitions: all accounted for." in run("reconcile").stdout
    assert "account of transactions" in run("stats").stdout
    assert run("stop").returncode == 0
    done = run("reconcile")
    assert (done.returncode, done.stdout) == (1, "")
    assert "forgets its records when its engine ends" in done.stderr
