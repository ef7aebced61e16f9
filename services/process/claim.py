"""Taking turns among processes: one at a time does what two at once would spoil."""

import asyncio
import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

_LOOK_EVERY = 0.05


async def claim(path: Path, waiting: Callable[[float], None]) -> TextIO:
    """The lock file at `path`, held by nobody else until it is closed; the kernel closes it however the process ends.

    `waiting` is called several times a second with the seconds that another process has had it; it may raise to give
    up.
    Raises: OSError where the file cannot be written.
    """
    began = time.monotonic()
    file = path.open("a")
    try:
        while not locked(file, fcntl.LOCK_EX):
            waiting(time.monotonic() - began)
            await asyncio.sleep(_LOOK_EVERY)
    except BaseException:
        file.close()
        raise
    return file


def locked(file: TextIO, how: int) -> bool:
    """Lock an open file, alone (LOCK_EX) or with others (LOCK_SH), unless another process stands in the way."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
