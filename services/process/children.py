"""Child processes: each in a process group of its own, and none outlives the process that started it (Linux)."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from typing import Any


def module(name: str) -> tuple[str, ...]:
    """The command that runs a module of ours."""
    # -P: a folder called `services` where the user happens to stand must not be taken for ours.
    return sys.executable, "-P", "-m", name


def last_words(said: bytes) -> str:
    """The last line of what a process said, empty where it said nothing."""
    return said.decode(errors="replace").strip().rpartition("\n")[2]


async def spawn(*command: object, **streams: Any) -> asyncio.subprocess.Process:
    """Start a command, without input unless `streams` say otherwise; they go to `asyncio.create_subprocess_exec`."""
    return await asyncio.create_subprocess_exec(
        *map(str, command),
        **{"stdin": asyncio.subprocess.DEVNULL, **streams},
        # Ctrl-C in the terminal is for us: we end the child when nothing needs it any more.
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )


async def spawn_family(*command: object, **streams: Any) -> asyncio.subprocess.Process:
    """Start a command that starts others, such as npm: none of them outlives us, nor the `end` of the command."""
    return await spawn("sh", "-c", _FAMILY, "sh", *command, stdin=asyncio.subprocess.PIPE, **streams)


_FAMILY = """\
exec 3<&0
(cat <&3; kill -KILL 0) >/dev/null 2>&1 &
"$@" </dev/null 3<&-
"""
"""Our end of its input closes when we end, in whatever way; what reads it there then kills the whole group."""


async def end(process: asyncio.subprocess.Process, within: float) -> None:
    """Ask the process to end, and after `within` seconds make it, with all that it started."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), within)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the process that starts the child ends, even by SIGKILL."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
