"""The real console over a real SSH connection: plain, in tmux, in GNU screen, and when the connection drops."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.remote import Host, Tmux, program
from tests.waiting import wait_until

COMMAND = str(Path(sys.executable).with_name("anomaly-tui"))
SCORED = re.compile(r"u-\d{4}.*\.\d\d")
RESTORED = ("\x1b[?1049l", "\x1b[?25h", "\x1b[?1000l", "\x1b[?1003l", "\x1b[?1006l")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of these tests lives; one database for all of them, as on one machine."""
    return tmp_path_factory.mktemp("ssh")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[Host]:
    """A machine to log in to."""
    (folder / "screens").mkdir(mode=0o700)
    (folder / "anomaly-tui.toml").write_text("rate = 60.0\nusers = 20\nseed = 3\n")
    served = Host(
        folder,
        {
            "ANOMALY_TUI_CONFIG": str(folder / "anomaly-tui.toml"),
            "ANOMALY_TUI_DATA_DIR": str(folder / "data"),
            "ANOMALY_TUI_API": "off",
            "TMUX_TMPDIR": str(folder),
            "SCREENDIR": str(folder / "screens"),
            "LC_ALL": "C.UTF-8",
        },
    )
    served.start()
    yield served
    served.stop()
    for process in processes(folder):
        process.kill()


def processes(folder: Path) -> list[psutil.Process]:
    """What runs on the data of these tests: consoles and PostgreSQL."""
    found = []
    for process in psutil.process_iter():
        try:
            where = [*process.cmdline(), process.environ().get("ANOMALY_TUI_DATA_DIR", "")]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        told = any(str(folder / "data") in part for part in where)
        if told and ("postgres" in process.name() or COMMAND in where):
            found.append(process)
    return found


@pytest.fixture
def tmux(folder: Path) -> Iterator[Tmux]:
    found = Tmux(folder)
    yield found
    found.run("kill-server")


def in_tmux(command: str) -> str:
    return f"{program('tmux')} -u -L console -f /dev/null new-session -A -s anomalies {shlex.quote(command)}"


def held(screen: str) -> int:
    """How many transactions the feed's title counts."""
    found = re.search(r"Feed .* ([\d ]+)  ▼follow", screen)
    return int(found.group(1).replace(" ", "")) if found else 0


def test_a_session_in_tmux_from_login_to_quit(host: Host, tmux: Tmux, folder: Path) -> None:
    with host.login(in_tmux(COMMAND)) as terminal:
        terminal.wait_for("LIVE")
        tmux.wait_for(SCORED.pattern)
        terminal.type("/amount>1")
        tmux.wait_for(r"\d of [\d ]+ match")
        terminal.type("\r")
        tmux.wait_for("Feed  /amount>1")
        terminal.type(" ")
        tmux.wait_for("FROZEN")
        terminal.type("k\r")
        tmux.wait_for("paid by")
        terminal.type("\x1b")
        tmux.wait_for("FROZEN")
        terminal.resize(130, 40)
        tmux.wait_for("─ Why ")
        assert max(map(len, tmux.screen.splitlines())) == 130
        terminal.type(" ")
        tmux.wait_for("LIVE")
        terminal.type("q")
        assert terminal.ended() == 0
    wait_until(lambda: not processes(folder), "nothing left over")


def test_a_dropped_connection_leaves_the_console_in_tmux_running(host: Host, tmux: Tmux, folder: Path) -> None:
    with host.login(in_tmux(COMMAND)) as terminal:
        terminal.wait_for("LIVE")
        tmux.wait_for(SCORED.pattern)
        terminal.process.kill()
    wait_until(lambda: tmux.run("list-clients") == "", "tmux noticing that nobody is attached")
    before = held(tmux.screen)
    wait_until(lambda: held(tmux.screen) > before > 0, "the feed going on")
    with host.login(in_tmux("false")) as terminal:
        terminal.wait_for("LIVE")
        terminal.type("q")
        assert terminal.ended() == 0
    wait_until(lambda: not processes(folder), "nothing left over")


def test_a_dropped_connection_without_tmux_ends_console_and_engine(host: Host, folder: Path) -> None:
    code = folder / "exit-code"
    # The shell has to outlive the hang-up to tell the code; a trap, unlike ignoring, is not passed on.
    with host.login(f"trap : HUP; {COMMAND}; echo $? > {code}.new; mv {code}.new {code}") as terminal:
        terminal.wait_for("LIVE")
        wait_until(lambda: SCORED.search(terminal.text), "scored rows")
        terminal.process.kill()
        wait_until(code.exists, "an exit code")
    assert code.read_text().strip() == "129"
    assert processes(folder) == []
    assert not (folder / "data" / "crash.log").exists()


def test_a_signal_from_afar_leaves_the_terminal_as_it_was(host: Host, folder: Path) -> None:
    with host.login(COMMAND) as terminal:
        terminal.wait_for("LIVE")
        console = next(process for process in processes(folder) if "postgres" not in process.name())
        console.terminate()
        assert terminal.ended() == 0
        assert all(sequence.encode() in terminal.output for sequence in RESTORED)
    assert processes(folder) == []


def test_keys_that_cannot_be_stop_it_before_anything_starts(host: Host, folder: Path) -> None:
    (folder / "bad.toml").write_text('[keys]\n"feed.freze" = "ctrl+f"\n')
    with host.login(f"{COMMAND} --config {folder}/bad.toml") as terminal:
        assert terminal.ended() == 2
        said = terminal.text.strip()
    assert said == "anomaly-tui: [keys] feed.freze: there is no such action; did you mean feed.freeze?"
    assert processes(folder) == []


def test_a_session_in_gnu_screen(host: Host, folder: Path) -> None:
    with host.login(f"{program('screen')} -U -c /dev/null -S anomalies {COMMAND}") as terminal:
        terminal.wait_for("LIVE")
        wait_until(lambda: SCORED.search(terminal.text), "scored rows")
        terminal.type(" ")
        terminal.wait_for("FROZEN")
        terminal.type("q")
        assert terminal.ended() == 0
        assert "screen is terminating" in terminal.text
    wait_until(lambda: not processes(folder), "nothing left over")
