"""The running state of one user: everything the enhanced detector remembers, bounded whatever happens."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Self

import msgspec
import numpy as np

from detectors import layout
from detectors.habits import Habits, Moments, Place, Seen
from detectors.layout import EMPTY_KEY, MISSING_KEY, Counts, Numbers, keys_of
from detectors.packing import COUNT, NUMBER, Packed, Parts, packed, unpacked
from detectors.words import Words

_encode_into = msgspec.msgpack.Encoder().encode_into
_decode_habits = msgspec.msgpack.Decoder(Habits).decode
_decode = msgspec.msgpack.Decoder(Packed).decode
_PACKED = b"\x93"
"""How msgpack begins an array of three, as `Packed` is; `Habits` has more."""

_NUMBER_BYTES, _COUNT_BYTES = np.dtype(NUMBER).itemsize, np.dtype(COUNT).itemsize

_FIELDS = [(int(start), int(start + 2 + limit)) for start, limit in zip(layout.STARTS, layout.LIMITS, strict=True)]
_KEYS = np.concatenate(
    [
        [layout.CITY],
        np.arange(layout.CATEGORY_KEYS, layout.OF_CATEGORY),
        *(np.arange(start + 2, seen) for start, seen in _FIELDS),
    ]
)
"""Where in a row of counts the keys of names stand."""


class UserState:
    """One user's state as it is computed with: a row of numbers and one of counts, both as in `detectors.layout`, and
    the names that stand in the second as keys. `names` may have some that no longer do.
    """

    __slots__ = ("counts", "names", "numbers")

    def __init__(self) -> None:
        self.numbers: Numbers = np.zeros(layout.NUMBERS)
        self.counts: Counts = np.zeros(layout.COUNTS, np.int64)
        self.names: dict[int, str | None] = _named((), ())

    @classmethod
    def of_rows(cls, numbers: Numbers, counts: Counts, names: dict[int, str | None]) -> Self:
        """The state that these rows are."""
        state = cls.__new__(cls)
        state.numbers, state.counts, state.names = numbers, counts, names
        return state

    @classmethod
    def of(cls, habits: Habits) -> Self:
        """The state of these habits."""
        state = cls()
        numbers, counts = state.numbers, state.counts
        place, times = habits.place, len(habits.times)
        where = (0.0, 0.0, 0.0) if place is None else (place.latitude, place.longitude, place.time)
        moments = (habits.amount, habits.log_amount, habits.gap, habits.log_gap)
        spreads = [number for of in moments for number in (of.mean, of.variance)]
        numbers[: layout.TIMES] = (
            habits.last_time,
            habits.memory,
            habits.bar,
            habits.rise,
            habits.alerted,
            habits.since,
            *where,
            *spreads,
        )
        numbers[layout.TIMES : layout.TIMES + times] = habits.times
        numbers[layout.AMOUNTS : layout.AMOUNTS + times] = habits.amounts
        city = state.key(place.city) if place is not None else MISSING_KEY
        counts[: layout.HOURS] = (
            habits.seen,
            habits.flagged,
            place is not None,
            city,
            *(of.count for of in moments),
            times,
        )
        counts[layout.HOURS : layout.WEEKDAYS] = habits.hours
        counts[layout.WEEKDAYS : layout.KNOWN_CATEGORIES] = habits.weekdays
        categories = habits.by_category
        counts[layout.KNOWN_CATEGORIES] = known = len(categories)
        counts[layout.CATEGORY_KEYS : layout.CATEGORY_KEYS + known] = [state.key(name) for name in categories]
        counts[layout.OF_CATEGORY : layout.OF_CATEGORY + known] = [of.count for of in categories.values()]
        numbers[layout.BY_CATEGORY : layout.BY_CATEGORY + 2 * known] = [
            number for of in categories.values() for number in (of.mean, of.variance)
        ]
        for (start, seen), field in zip(_FIELDS, habits.fields, strict=True):
            known = len(field.of)
            counts[start], counts[start + 1] = known, field.total
            counts[start + 2 : start + 2 + known] = [state.key(name) for name in field.of]
            counts[seen : seen + known] = list(field.of.values())
        return state

    def key(self, name: str | None) -> int:
        """The key of a name that stands in this state from now on."""
        (key,) = keys_of([name])
        self.names[key] = name
        return key

    def habits(self) -> Habits:
        """The state as it is read, apart from what becomes of it."""
        numbers, names = self.numbers, self.names
        recent = self.counts[layout.KNOWN_TIMES]
        head = self.counts[: layout.CATEGORY_KEYS].tolist()
        last_time, memory, bar, rise, alerted, since = numbers[: layout.LATITUDE].tolist()
        moments = numbers[layout.AMOUNT : layout.TIMES].tolist()
        known = head[layout.KNOWN_CATEGORIES]
        keys = self.counts[layout.CATEGORY_KEYS : layout.CATEGORY_KEYS + known].tolist()
        counted = self.counts[layout.OF_CATEGORY : layout.OF_CATEGORY + known].tolist()
        spreads = numbers[layout.BY_CATEGORY : layout.BY_CATEGORY + 2 * known].tolist()
        moments_of = map(Moments, counted, spreads[::2], spreads[1::2])
        by_category = dict(zip([names[key] or "" for key in keys], moments_of, strict=True))
        spread = [Moments(*of) for of in zip(head[layout.OF_AMOUNT :], moments[::2], moments[1::2], strict=False)]
        amount, log_amount, gap, log_gap = spread
        merchants, categories, countries, devices, methods, currencies, types = map(self.values, range(layout.FIELDS))
        return Habits(
            head[layout.SEEN],
            head[layout.FLAGGED],
            last_time,
            memory,
            bar,
            amount,
            log_amount,
            gap,
            log_gap,
            self.times(),
            numbers[layout.AMOUNTS : layout.AMOUNTS + recent].tolist(),
            self.hours(),
            head[layout.WEEKDAYS : layout.KNOWN_CATEGORIES],
            by_category,
            merchants,
            categories,
            countries,
            devices,
            methods,
            currencies,
            types,
            self.place(),
            rise,
            alerted,
            since,
        )

    def times(self) -> list[float]:
        """When the user's latest transactions were, in seconds since 1970."""
        known = self.counts[layout.KNOWN_TIMES]
        times: list[float] = self.numbers[layout.TIMES : layout.TIMES + known].tolist()
        return times

    def hours(self) -> list[int]:
        """How many transactions there were in each of the 24 hours."""
        hours: list[int] = self.counts[layout.HOURS : layout.WEEKDAYS].tolist()
        return hours

    def place(self) -> Place | None:
        """Where the user was last, if that is known."""
        if not self.counts[layout.PLACED]:
            return None
        latitude, longitude, at = self.numbers[layout.LATITUDE : layout.PLACE_TIME + 1].tolist()
        return Place(latitude, longitude, at, self.names[int(self.counts[layout.CITY])])

    def values(self, field: int) -> Seen:
        """The values of one of the counted fields, by its number in `detectors.layout`."""
        start, seen = _FIELDS[field]
        known, total = self.counts[start : start + 2].tolist()
        names = [self.names[key] or "" for key in self.counts[start + 2 : start + 2 + known].tolist()]
        return Seen(total, dict(zip(names, self.counts[seen : seen + known].tolist(), strict=True)))

    @property
    def seen(self) -> int:
        """How many transactions of the user there were."""
        return int(self.counts[layout.SEEN])

    @property
    def flagged(self) -> int:
        """How many of them the user's state was moved by as flagged."""
        return int(self.counts[layout.FLAGGED])

    @property
    def bar(self) -> float:
        """What this user's threshold is raised by, in units of rarity."""
        return float(self.numbers[layout.BAR])

    def copy(self) -> "UserState":
        """A state that moves apart from this one."""
        return UserState.of_rows(self.numbers.copy(), self.counts.copy(), dict(self.names))

    def to_bytes(self) -> bytes:
        """The state without what it has no use of yet; decoding gives back every bit of it."""
        return encode_all({"": self})[""]

    @staticmethod
    def from_bytes(stored: bytes) -> "UserState":
        """The state of `to_bytes`, or of `Habits` as older releases stored them. Raises: msgspec.DecodeError."""
        return decode_all({"": stored})[""]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UserState) and self.habits() == other.habits()

    __hash__ = None  # type: ignore[assignment]


MOST_NAMES = 2 * (layout.MAX_MERCHANTS + layout.FIELDS * layout.MAX_VALUES)
"""Names kept of a user before those that no longer stand in the state are dropped."""


AT_ONCE = 256
"""States that are encoded or decoded together, which costs less than one by one."""


class States:
    """The states of some users as they are computed with together: of each a row, in the order of `users`.

    Users who have seen nothing before have their `names` in common: a key is the same name in every state.
    """

    __slots__ = ("_common", "counts", "names", "numbers", "users")

    def __init__(self, users: Sequence[str], known: Mapping[str, UserState], stored: Mapping[str, bytes]) -> None:
        """Those of `known` as they are, those that are only `stored` decoded; the others have seen nothing.

        Names that come into a known state stand in both. Raises: msgspec.DecodeError.
        """
        self.users = users
        self.numbers: Numbers = np.zeros((len(users), layout.NUMBERS))
        self.counts: Counts = np.zeros((len(users), layout.COUNTS), np.int64)
        self._common = _named((), ())
        self.names: list[dict[int, str | None]] = [self._common] * len(users)
        encoded = []
        for row, user in enumerate(users):
            state = known.get(user)
            if state is not None:
                self.names[row] = state.names
                self.numbers[row], self.counts[row] = state.numbers, state.counts
            elif user in stored:
                encoded.append((row, stored[user]))
        for start in range(0, len(encoded), AT_ONCE):
            self._decode(encoded[start : start + AT_ONCE])

    def _decode(self, encoded: Sequence[tuple[int, bytes]]) -> None:
        packs = []
        for row, one in encoded:
            if one[:1] == _PACKED:
                packs.append((row, _decode(one)))
            else:
                state = UserState.of(_decode_habits(one))
                self.numbers[row], self.counts[row], self.names[row] = state.numbers, state.counts, state.names
        if packs:
            self._unpack(packs)

    def _unpack(self, packs: Sequence[tuple[int, Packed]]) -> None:
        keys = [keys_of(pack.names) for _, pack in packs]
        sizes = [
            (len(pack.numbers) // _NUMBER_BYTES, len(pack.counts) // _COUNT_BYTES, len(pack.names)) for _, pack in packs
        ]
        try:
            parts = Parts(
                np.frombuffer(b"".join([pack.numbers for _, pack in packs]), NUMBER),
                np.frombuffer(b"".join([pack.counts for _, pack in packs]), COUNT),
                np.array([*chain.from_iterable(keys)], np.int64),
                np.ascontiguousarray(np.cumsum(sizes, axis=0).T),
            )
            whole = unpacked(parts, np.array([row for row, _ in packs], np.int64), self.numbers, self.counts)
        except ValueError:
            whole = False
        if not whole:
            raise msgspec.DecodeError("a stored state is not whole")
        for (row, pack), of in zip(packs, keys, strict=True):
            self.names[row] = _named(of, pack.names)

    def meet(self, rows: Counts, names: Sequence[Words[str | None]], keys: Counts, new: Counts) -> None:
        """Keep the names of n transactions of the users in these `rows`, shape (n,), whose keys, shape (n, names), now
        stand in their states; `new` has a bit for each that did not before, shape (n,).
        """
        apart = np.array([known is not self._common for known in self.names], np.bool_)[rows]
        if not apart.all():
            for words in names:
                self._common.update(zip(keys_of(words.distinct), words.distinct, strict=True))
        met = np.flatnonzero((new != 0) & apart)
        for position, words in enumerate(names if met.size else ()):
            here = met[new[met] & 1 << position != 0]
            for index, row, key in zip(here.tolist(), rows[here].tolist(), keys[here, position].tolist(), strict=True):
                self.names[row][key] = words[index]

    def encoded(self) -> dict[str, bytes]:
        """`UserState.to_bytes` of each user's."""
        stored: list[bytes] = []
        for start in range(0, len(self.users), AT_ONCE):
            stored += self._encoded(slice(start, start + AT_ONCE))
        return dict(zip(self.users, stored, strict=True))

    def _encoded(self, rows: slice) -> Iterator[bytes]:
        parts = packed(self.numbers[rows], self.counts[rows])
        numbers, counts, keys = parts.numbers.tobytes(), parts.counts.tobytes(), parts.keys.tolist()
        starts = [0, 0, 0]
        buffer = bytearray()  # copied from, since what `encode` returns keeps up to half as many bytes more in memory
        for row, ends in enumerate(parts.ends.T.tolist(), rows.start):
            (at, counted, named), (to, counted_to, named_to) = starts, ends
            here, known = keys[named:named_to], self.names[row]
            names = [*map(known.__getitem__, here)]
            if len(known) > MOST_NAMES and known is not self._common:
                self.names[row] = _named(here, names)
            packed_row = Packed(
                numbers[_NUMBER_BYTES * at : _NUMBER_BYTES * to],
                counts[_COUNT_BYTES * counted : _COUNT_BYTES * counted_to],
                names,
            )
            _encode_into(packed_row, buffer)
            yield bytes(buffer)
            starts = ends

    def flagged(self) -> list[int]:
        """`UserState.flagged` of each."""
        flagged: list[int] = self.counts[:, layout.FLAGGED].tolist()
        return flagged

    def apart(self, row: int, state: UserState | None) -> UserState:
        """One of them in rows of its own, those of `state` if there is one: a row kept of these keeps all others."""
        numbers, counts, names = self.numbers[row], self.counts[row], self.names[row]
        if names is self._common:
            keys = counts[_KEYS].tolist()
            names = {key: names[key] for key in (MISSING_KEY, EMPTY_KEY, *keys) if key in names}
        if state is None:
            return UserState.of_rows(numbers.copy(), counts.copy(), names)
        state.numbers[:], state.counts[:], state.names = numbers, counts, names
        return state

    def give(self, states: dict[str, UserState]) -> None:
        """Change those of `states` into these, and make those that it lacks."""
        for row, user in enumerate(self.users):
            states[user] = self.apart(row, states.get(user))


def encode_all(states: Mapping[str, UserState]) -> dict[str, bytes]:
    """`to_bytes` of each user's."""
    stored: dict[str, bytes] = {}
    for users in _by_some(states):
        stored |= States(users, states, {}).encoded()
    return stored


def decode_all(stored: Mapping[str, bytes]) -> dict[str, UserState]:
    """`from_bytes` of each user's. Raises: msgspec.DecodeError."""
    states: dict[str, UserState] = {}
    for users in _by_some(stored):
        States(users, {}, stored).give(states)
    return states


def _by_some(of: Mapping[str, object]) -> Iterator[list[str]]:
    users = [*of]
    for start in range(0, len(users), AT_ONCE):
        yield users[start : start + AT_ONCE]


def _named(keys: Sequence[int], names: Sequence[str | None]) -> dict[int, str | None]:
    return {MISSING_KEY: None, EMPTY_KEY: "", **dict(zip(keys, names, strict=True))}
