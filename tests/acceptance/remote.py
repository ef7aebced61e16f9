"""A real SSH server on loopback, a terminal that logs in to it, and consoles in tmux."""

import fcntl
import getpass
import os
import pty
import re
import select
import shlex
import shutil
import socket
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.session import COMMAND
from tests.waiting import wait_until

WITHIN = 40.0


def program(name: str) -> str:
    """Where a program is. Fails with what to install."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    assert found, f"{name} is missing: install tmux, screen and openssh-server (apt-get install, as root)"
    return found


class Terminal:
    """A pseudo-terminal with a program on it, which has it as its controlling terminal."""

    def __init__(self, command: list[str], width: int = 80, height: int = 24) -> None:
        self.master, slave = pty.openpty()
        self.resize(width, height)
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.output = b""

    def resize(self, width: int, height: int) -> None:
        """Change the window, as a terminal emulator does."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def read(self) -> None:
        """Take what has arrived."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                found = os.read(self.master, 1 << 16)
            except OSError:
                return
            if not found:
                return
            self.output += found

    @property
    def text(self) -> str:
        """What arrived, without its control sequences."""
        self.read()
        return re.sub(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][0-9A-B]|[=>])", "", self.output.decode(errors="replace"))

    def wait_for(self, shown: str, within: float = WITHIN) -> None:
        """Wait until it has shown this. Fails with the last it showed."""
        wait_until(lambda: shown in self.text, f"{shown!r} in {self.text[-1500:]}", within)

    def forget(self) -> None:
        """Wait only for what is shown from now on."""
        self.read()
        self.output = b""

    def ended(self) -> int:
        """Wait until its program ends; its exit code."""
        wait_until(lambda: (self.read(), self.process.poll())[1] is not None, f"an end of {self.text[-1500:]}")
        self.read()
        return self.process.returncode

    def close(self) -> None:
        """Hang up."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)


class Host:
    """An SSH server with keys of its own. Programs started over it see `variables`."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self.user = getpass.getuser()
        self._server: subprocess.Popen[bytes] | None = None
        for key in ("host_key", "user_key"):
            subprocess.run(
                [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True
            )
        (folder / "authorized_keys").write_bytes((folder / "user_key.pub").read_bytes())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        quoted = " ".join(f'"{name}={value}"' for name, value in variables.items())
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\n"
            f"HostKey {folder}/host_key\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\n"
            f"PidFile {folder}/sshd.pid\n"
            f"SetEnv {quoted}\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\nPrintMotd no\nPrintLastLog no\n"
        )
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host_key.pub').read_text()}")

    def start(self) -> None:
        """Serve."""
        if os.geteuid() == 0:
            # Where sshd of Debian locks itself in; without systemd nobody has made it.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        log = self.folder / "sshd.log"
        self._server = subprocess.Popen(
            [program("sshd"), "-D", "-f", str(self.folder / "sshd_config"), "-E", str(log)], stdin=subprocess.DEVNULL
        )

        def listening() -> bool:
            assert self._server is not None
            assert self._server.poll() is None, log.read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(listening, "sshd listening")

    def stop(self) -> None:
        """Stop serving; sessions that are open go on."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait()

    @contextmanager
    def login(self, command: str, width: int = 80, height: int = 24) -> Iterator[Terminal]:
        """A terminal with `command` running on it at the other end."""
        terminal = Terminal(
            [
                program("ssh"),
                "-tt",
                *("-F", "none", "-i", str(self.folder / "user_key"), "-p", str(self.port)),
                *("-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={self.folder}/known_hosts"),
                *("-o", "ControlPath=none", "-o", "LogLevel=ERROR", "-e", "none"),
                f"{self.user}@127.0.0.1",
                command,
            ],
            width,
            height,
        )
        try:
            yield terminal
        finally:
            terminal.close()


class Tmux:
    """A tmux server of its own, as seen from the machine it runs on."""

    def __init__(self, folder: Path, name: str = "console") -> None:
        self._folder = folder
        self._name = name

    def run(self, *arguments: str) -> str:
        """What a tmux command prints; nothing when there is no server."""
        done = subprocess.run(
            [program("tmux"), "-L", self._name, *arguments],
            env={"TMUX_TMPDIR": str(self._folder), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        return done.stdout

    @property
    def screen(self) -> str:
        """What the console shows."""
        return self.run("capture-pane", "-p")

    def wait_for(self, shown: str) -> None:
        """Wait until the console shows this."""
        wait_until(lambda: re.search(shown, self.screen), f"{shown} in\n{self.screen}")


@contextmanager
def console(name: str, environment: dict[str, str], folder: Path, *arguments: str) -> Iterator[Tmux]:
    """A console in a tmux of its own; when the command ends, tmux goes on and shows its exit code."""
    variables = [f"{key}={environment[key]}" for key in ("ANOMALY_TUI_DATA_DIR", "DATABASE_URL", "HOME")]
    command = shlex.join(["env", "LC_ALL=C.UTF-8", *variables, COMMAND, *arguments])
    terminal = Tmux(folder, name)
    terminal.run("-u", "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", f"{command}; echo code $?; cat")
    try:
        yield terminal
    finally:
        terminal.run("kill-server")
