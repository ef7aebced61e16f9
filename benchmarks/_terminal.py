"""A pseudo-terminal with a program on it, and its other end, which is read as a terminal would."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Mapping, Sequence

import psutil


def on_a_terminal(
    command: Sequence[str], environment: Mapping[str, str], width: int, height: int
) -> tuple[psutil.Popen, int]:
    """Start a command on a terminal of this size. Returns: its process, and the descriptor of the other end."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    process = psutil.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**environment, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(slave)
    return process, master


class Terminal:
    """The other end of the pseudo-terminal."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.received = 0

    def read(self, seconds: float) -> bytes:
        """What arrives within `seconds`, at most one read of it."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not ready:
            return b""
        found = os.read(self._master, 1 << 20)
        self.received += len(found)
        return found

    def listen(self, seconds: float) -> int:
        """Bytes that arrive in `seconds`."""
        before, end = self.received, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)
        return self.received - before

    def wait(self, shown: bytes, seconds: float) -> float:
        """Seconds until `shown` has arrived. Raises TimeoutError."""
        began, seen = time.perf_counter(), b""
        while shown not in seen:
            left = seconds - (time.perf_counter() - began)
            if left <= 0:
                raise TimeoutError(f"the console never showed {shown.decode()}: {_plain(seen)[-400:]}")
            seen = seen[-64:] + self.read(left)
        return time.perf_counter() - began

    def press(self, key: bytes, shown: bytes) -> float:
        """Seconds from writing `key` to the bytes that show what it did."""
        while self.read(0):
            pass
        os.write(self._master, key)
        return self.wait(shown, 10.0)


def _plain(output: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode(errors="replace"))
