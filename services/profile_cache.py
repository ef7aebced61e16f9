"""Committed profiles in memory, encoded, least recently used first out."""

from collections import OrderedDict
from collections.abc import Iterable


class ProfileCache:
    """The encoded states of one partition's users; None marks a user known to have no profile yet.

    States are kept encoded: they cannot be changed by accident, and a batch decodes its own copies.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._size = 0
        self._states: OrderedDict[str, bytes | None] = OrderedDict()

    def missing(self, users: Iterable[str]) -> list[str]:
        """Users that must be asked of PostgreSQL."""
        return [user for user in users if user not in self._states]

    def get(self, users: Iterable[str]) -> dict[str, bytes]:
        """The states of those users that have one."""
        found: dict[str, bytes] = {}
        for user in users:
            state = self._states.get(user)
            if user in self._states:
                self._states.move_to_end(user)
            if state is not None:
                found[user] = state
        return found

    def put(self, user: str, state: bytes | None) -> None:
        """Keep a committed state, evicting the least recently used beyond the limit."""
        self._size += len(state or b"") - len(self._states.pop(user, None) or b"")
        self._states[user] = state
        while self._size > self._limit:
            _, evicted = self._states.popitem(last=False)
            self._size -= len(evicted or b"")

    def clear(self) -> None:
        """Forget everything; another owner may have written meanwhile."""
        self._states.clear()
        self._size = 0
