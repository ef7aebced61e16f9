"""Waiting for a condition with a deadline, for every test that waits."""

import asyncio
import inspect
import time
from collections.abc import Callable

WITHIN = 30.0


async def until(condition: Callable[[], object], within: float = WITHIN) -> None:
    """Wait until `condition`, a function or coroutine function, is true. Raises TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not (await result if inspect.isawaitable(result := condition()) else result):
            await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], object], what: str, within: float = WITHIN) -> None:
    """Wait until `condition` is true. Fails with `what` after `within` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)
