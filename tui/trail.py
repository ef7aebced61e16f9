"""The way back: from a user to the row that led there, from transactions to their user."""

from collections.abc import Callable
from typing import NamedTuple

MOST_STEPS = 32


class Step(NamedTuple):
    """A step from one screen to another. `restore` puts the screen it led to as it was before."""

    to: str
    back: str
    restore: Callable[[], None]


class Trail:
    """The steps taken, newest last, at most `MOST_STEPS` of them."""

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
        """Remove and return the newest step. Raises IndexError when there is none."""
        return self._steps.pop()
