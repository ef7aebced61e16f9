"""The terminal under the console: whether it is still there."""

import select
import sys


class Terminal:
    """Watches standard input for a hang-up, which Textual itself would spin on."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._poll.register(sys.__stdin__.fileno() if sys.__stdin__ else 0, select.POLLHUP)

    @property
    def gone(self) -> bool:
        """Whether the other end hung up or closed."""
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in self._poll.poll(0))
