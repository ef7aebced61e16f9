"""Signals of a command: the first asks it to finish, the second ends the process."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger("command")


SHUTDOWN_WITHIN = 15.0


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def interruptible(work: Coroutine[Any, Any, int], quitting: asyncio.Event) -> int:
    """Run `work`; the first SIGINT, SIGTERM or SIGHUP sets `quitting`, a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if quitting.is_set():
            # The handlers are gone after this, so the next signal does what signals do.
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
        quitting.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, ask)
    try:
        return await work
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def in_time(stopping: Coroutine[Any, Any, None]) -> None:
    try:
        await asyncio.wait_for(stopping, SHUTDOWN_WITHIN)
    except TimeoutError:
        log.error("shutdown took too long; what was in flight is repeated at the next start")
