"""A query that a screen repeats while it is in front."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from services.errors import reason_of
from tui.screens.base import ConsoleScreen

Key = TypeVar("Key")
Answer = TypeVar("Answer")

_SHARE = 0.1
"""The largest share of the time that the query may run, so that a slow query runs rarely."""


class Inquiry(Generic[Key, Answer]):
    """The newest answer to `ask(key)`, which is asked again after `every` seconds or ten times as long as it took.

    One query runs at a time; the screen wants its key at every draw, so a key that comes meanwhile is asked about next.
    `answer` is None before the first answer and after a failure, and `problem` says why. The screen is redrawn
    after each.
    """

    def __init__(
        self, screen: ConsoleScreen, what: str, ask: Callable[[Key], Awaitable[Answer | None]], every: float
    ) -> None:
        self._screen = screen
        self._what = what
        self._ask = ask
        self._every = every
        self._asked_at = 0.0
        self._took = 0.0
        self._busy = False
        self.key: Key | None = None
        self.answer: Answer | None = None
        self.problem = ""

    def want(self, key: Key) -> None:
        """Ask about `key`, unless its answer is fresh or a query is running."""
        age = time.monotonic() - self._asked_at
        fresh = key == self.key and age < max(self._every, self._took / _SHARE)
        if not fresh and not self._busy:
            self._busy = True
            self._screen.run_worker(self._load(key), group=self._what)

    def of(self, key: Key | None) -> Answer | None:
        """The answer about `key`; None until there is one."""
        return self.answer if key is not None and key == self.key else None

    def problem_of(self, key: Key | None) -> str:
        """Why there is no answer about `key`."""
        return self.problem if key is not None and key == self.key else "loading..."

    def forget(self) -> None:
        """Ask again at the next `want`."""
        self._asked_at = 0.0
        self._took = 0.0

    async def _load(self, key: Key) -> None:
        began = self._asked_at = time.monotonic()
        answer, problem = None, ""
        try:
            answer = await self._ask(key)
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            problem = f"{self._what} unavailable: {reason_of(error)}"
        finally:
            self._busy = False
        self._took = time.monotonic() - began
        self.key, self.answer, self.problem = key, answer, problem
        self._screen.redraw()
