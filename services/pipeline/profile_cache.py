"""Committed profiles in memory, least recently used first out."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from detectors.state import UserState

ENTRY_BYTES = 256
"""What a user costs beside the state: the key, its place in the order, the header of the bytes."""

DECODED_BYTES, DECODED_TIMES = 6_000, 7
"""What the rows of a decoded state take, and how much more memory than the encoded state its names take, measured."""


_NOBODY: Mapping[str, UserState] = {}


class Lent(NamedTuple):
    """What is here of a batch's users; `unknown` ones must be asked of PostgreSQL.

    `encoded` has the states as committed, without the users known to have none yet. `decoded` are some of them ready to
    use: they are the batch's from now on, to change as it likes.
    """

    encoded: dict[str, bytes]
    decoded: dict[str, UserState]
    unknown: list[str]


class ProfileCache:
    """The committed states of the users of every partition that this process has, in `limit` bytes all together.

    What counts is kept encoded, where nothing can change it by accident. The decoded copy of a busy user, which saves
    what costs as much as scoring does, is lent to one batch and comes back with that batch's commit; a batch that fails
    never gives it back, and the next one decodes what was committed. A batch holds what it was lent, so that nothing
    that is evicted while it is in flight is missing from it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._decoded_size = 0
        self._encoded: OrderedDict[tuple[int, str], bytes | None] = OrderedDict()
        self._decoded: OrderedDict[tuple[int, str], UserState] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes in use, as far as can be counted."""
        return self._size + self._decoded_size

    def lend(self, partition: int, users: Iterable[str]) -> Lent:
        """What is known of these users."""
        lent = Lent({}, {}, [])
        for user in users:
            key = partition, user
            if key not in self._encoded:
                lent.unknown.append(user)
                continue
            self._encoded.move_to_end(key)
            encoded = self._encoded[key]
            if encoded is not None:
                lent.encoded[user] = encoded
                decoded = self._take_decoded(key)
                if decoded is not None:
                    lent.decoded[user] = decoded
        return lent

    def keep(
        self, partition: int, states: Mapping[str, bytes | None], decoded: Mapping[str, UserState] = _NOBODY
    ) -> None:
        """Keep committed states, None for users who have none yet, evicting others beyond the limit.

        `decoded` are those of some of them, ready to use.
        """
        keys = [(partition, user) for user in states]
        for key in keys:
            if key in self._encoded:
                self._drop(key)
        self._encoded.update(zip(keys, states.values(), strict=True))
        self._size += sum(map(_cost, states.values()))
        for user, state in decoded.items():
            self._decoded[partition, user] = state
            self._decoded_size += _decoded_cost(states[user])
        # Decoded copies only save time: they go first, so that they never take more than half.
        while self._decoded_size > self._limit // 2:
            self._take_decoded(next(iter(self._decoded)))
        while self._size + self._decoded_size > self._limit:
            self._drop(next(iter(self._encoded)))

    def forget(self, partition: int) -> None:
        """Drop a partition's users; another owner may write meanwhile."""
        for key in [key for key in self._encoded if key[0] == partition]:
            self._drop(key)

    def clear(self) -> None:
        """Drop everybody's; somebody has written to the store."""
        self._encoded.clear()
        self._decoded.clear()
        self._size = self._decoded_size = 0

    def _drop(self, key: tuple[int, str]) -> None:
        if key in self._decoded:
            self._take_decoded(key)
        self._size -= _cost(self._encoded.pop(key))

    def _take_decoded(self, key: tuple[int, str]) -> UserState | None:
        decoded = self._decoded.pop(key, None)
        if decoded is not None:
            self._decoded_size -= _decoded_cost(self._encoded[key])
        return decoded


def _cost(encoded: bytes | None) -> int:
    return ENTRY_BYTES + len(encoded or b"")


def _decoded_cost(encoded: bytes | None) -> int:
    return ENTRY_BYTES + DECODED_BYTES + DECODED_TIMES * len(encoded or b"")
