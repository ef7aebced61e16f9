"""The terminal: whether it hung up, how often to repaint it, and a spinner for before and after the console."""

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console

LOCAL_HZ = 4.0
REMOTE_HZ = 2.0


class Terminal:
    """Watches standard input for a hang-up. Textual itself would read it in a busy loop."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._poll.register(sys.__stdin__.fileno() if sys.__stdin__ else 0, select.POLLHUP)

    @property
    def gone(self) -> bool:
        """Whether the terminal hung up or was closed."""
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in self._poll.poll(0))


def usual_hz(environment: Mapping[str, str] = os.environ) -> float:
    """The default rate of repaints: lower over SSH, where the link may be slow."""
    return REMOTE_HZ if environment.get("SSH_CONNECTION") else LOCAL_HZ


@contextlib.contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner on standard error with the text `what`, which the function given can replace.

    Where standard error cannot be written to, nothing is shown.
    """
    status = Console(stderr=True).status(what)

    def tell(line: str) -> None:
        with contextlib.suppress(OSError):
            status.update(line)

    with contextlib.suppress(OSError):
        status.start()
    try:
        yield tell
    finally:
        with contextlib.suppress(OSError):
            status.stop()
