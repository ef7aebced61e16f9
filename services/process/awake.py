"""Waiting in which the time that this process slept does not count: suspended by Ctrl-Z, or with its machine."""

import asyncio
from typing import TypeVar

Result = TypeVar("Result")

_LOOKS = 5
"""How often it is looked for a result before there counts as none."""


async def within(seconds: float, awaited: "asyncio.Future[Result]") -> Result:
    """The result. Raises TimeoutError where there is none in `seconds` of being awake; it is awaited still."""
    for _ in range(_LOOKS):
        # A sleep, however long, ends one look. What came meanwhile is found by the next.
        await asyncio.wait({awaited}, timeout=seconds / _LOOKS)
        if awaited.done():
            return awaited.result()
    raise TimeoutError
