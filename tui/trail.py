"""The way one came: from a row to its user, from a user to their transactions, and back again."""

from collections.abc import Callable
from typing import NamedTuple

MOST_STEPS = 32


class Step(NamedTuple):
    """One step down: the screen it led to, the one it came from, and what puts things as they were."""

    to: str
    back: str
    restore: Callable[[], None]


class Trail:
    """The steps down, newest last; the oldest are forgotten beyond `MOST_STEPS`."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def add(self, step: Step) -> None:
        """Remember a step."""
        self._steps.append(step)
        del self._steps[:-MOST_STEPS]

    def led_to(self, screen: str) -> bool:
        """Whether the newest step led to this screen."""
        return bool(self._steps) and self._steps[-1].to == screen

    def take(self) -> Step:
        """The newest step, to be undone. Raises IndexError when there is none."""
        return self._steps.pop()
