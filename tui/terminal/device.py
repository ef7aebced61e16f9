"""The terminal under the console: whether it is still there, how far it is, and a line to it outside the console."""

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console

LOCAL_HZ = 4.0
REMOTE_HZ = 2.0


class Terminal:
    """Watches standard input for a hang-up, which Textual itself would spin on."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._poll.register(sys.__stdin__.fileno() if sys.__stdin__ else 0, select.POLLHUP)

    @property
    def gone(self) -> bool:
        """Whether the other end hung up or closed."""
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in self._poll.poll(0))


def usual_hz(environment: Mapping[str, str] = os.environ) -> float:
    """How often to repaint where the configuration does not say: less over a link that may be slow."""
    return REMOTE_HZ if environment.get("SSH_CONNECTION") else LOCAL_HZ


@contextlib.contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner on stderr that says `what`, and whatever it is told; it goes on in silence without a terminal."""
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
