"""Committed profiles in memory, least recently used first out."""

from collections import OrderedDict
from collections.abc import Iterable

from detectors.state import UserState

WARM_STATES = 2_000
"""Users of one partition whose decoded state is kept beside the encoded one; decoding costs what scoring does."""


class ProfileCache:
    """The states of one partition's users as they were committed; None marks a user known to have no profile yet.

    What counts is kept encoded, where nothing can change it by accident. The decoded copy of a busy user is
    lent to one batch, which changes it, and comes back with that batch's commit; a batch that fails never
    gives it back, and the next one decodes what was committed.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._size = 0
        self._encoded: OrderedDict[str, bytes | None] = OrderedDict()
        self._warm: OrderedDict[str, UserState] = OrderedDict()

    def missing(self, users: Iterable[str]) -> list[str]:
        """Users that must be asked of PostgreSQL."""
        return [user for user in users if user not in self._encoded]

    def get(self, users: Iterable[str]) -> dict[str, bytes]:
        """The encoded states of those users that have one."""
        found: dict[str, bytes] = {}
        for user in users:
            if user in self._encoded:
                self._encoded.move_to_end(user)
                state = self._encoded[user]
                if state is not None:
                    found[user] = state
        return found

    def lend(self, users: Iterable[str]) -> dict[str, UserState]:
        """The decoded states of those users that have one here; they are the caller's from now on."""
        return {user: self._warm.pop(user) for user in users if user in self._warm}

    def put(self, user: str, encoded: bytes | None, state: UserState | None = None) -> None:
        """Keep a committed state, evicting the least recently used beyond the limits."""
        self._size += len(encoded or b"") - len(self._encoded.pop(user, None) or b"")
        self._encoded[user] = encoded
        self._warm.pop(user, None)
        if state is not None:
            self._warm[user] = state
            if len(self._warm) > WARM_STATES:
                self._warm.popitem(last=False)
        while self._size > self._limit:
            evicted, dropped = self._encoded.popitem(last=False)
            self._warm.pop(evicted, None)
            self._size -= len(dropped or b"")

    def clear(self) -> None:
        """Forget everything; another owner may have written meanwhile."""
        self._encoded.clear()
        self._warm.clear()
        self._size = 0
