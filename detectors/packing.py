"""A user's state as it is stored: what of its rows is in use, one part after the other, and its names.

All users' rows have the same size, most of which few ever use. Keys are one process's own: only names are stored.
"""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import layout
from detectors.compiled import compiled
from detectors.layout import Counts, Numbers

NUMBER, COUNT = "<f8", "<u2"
"""How numbers and counts are stored. No count but the first two, which stand among the numbers, is above 10,000."""


class Packed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A stored state. `names` are in the order of the keys: the city, categories with amounts, values by field."""

    numbers: bytes
    counts: bytes
    names: list[str | None]


class Parts(NamedTuple):
    """The parts of many states, each kind one after the other: numbers, counts and the keys of names; `ends`, shape
    (3, n), says where those of each state end.
    """

    numbers: Numbers
    counts: NDArray[np.uint16]
    keys: Counts
    ends: Counts


@compiled
def _used(counts: Counts) -> tuple[tuple[int, int], ...]:
    """Where numbers of a state begin that are in use, and how many there are."""
    recent = counts[layout.KNOWN_TIMES]
    return (
        (0, layout.TIMES),
        (layout.TIMES, recent),
        (layout.AMOUNTS, recent),
        (layout.BY_CATEGORY, 2 * counts[layout.KNOWN_CATEGORIES]),
    )


@compiled
def packed(all_numbers: Numbers, all_counts: Counts) -> Parts:
    """What is in use of n states, whose rows have shape (n, `NUMBERS`) and (n, `COUNTS`)."""
    n = len(all_numbers)
    out_numbers = np.empty(n * (2 + layout.NUMBERS))
    out_counts = np.empty(n * layout.COUNTS, np.uint16)
    keys = np.empty(n * layout.COUNTS, np.int64)
    ends = np.empty((3, n), np.int64)
    at = counted = named = 0
    head = layout.KNOWN_CATEGORIES - layout.OF_AMOUNT + 1
    for state in range(n):
        numbers, counts = all_numbers[state], all_counts[state]
        categories = counts[layout.KNOWN_CATEGORIES]
        out_numbers[at], out_numbers[at + 1] = counts[layout.SEEN], counts[layout.FLAGGED]
        at += 2
        for start, length in _used(counts):
            out_numbers[at : at + length] = numbers[start : start + length]
            at += length
        keys[named] = counts[layout.CITY]
        named += 1
        keys[named : named + categories] = counts[layout.CATEGORY_KEYS : layout.CATEGORY_KEYS + categories]
        named += categories
        out_counts[counted] = counts[layout.PLACED]
        counted += 1
        out_counts[counted : counted + head] = counts[layout.OF_AMOUNT : layout.KNOWN_CATEGORIES + 1]
        counted += head
        out_counts[counted : counted + categories] = counts[layout.OF_CATEGORY : layout.OF_CATEGORY + categories]
        counted += categories
        for field in range(layout.FIELDS):
            start = layout.STARTS[field]
            seen, known = start + 2 + layout.LIMITS[field], counts[start]
            out_counts[counted], out_counts[counted + 1] = known, counts[start + 1]
            counted += 2
            out_counts[counted : counted + known] = counts[seen : seen + known]
            counted += known
            keys[named : named + known] = counts[start + 2 : start + 2 + known]
            named += known
        ends[0, state], ends[1, state], ends[2, state] = at, counted, named
    return Parts(out_numbers[:at], out_counts[:counted], keys[:named], ends)


@compiled
def unpacked(parts: Parts, rows: Counts, all_numbers: Numbers, all_counts: Counts) -> bool:
    """Write n states into these rows of zeros, shape (n,): the reverse of `packed`.

    Gives whether each ended where its parts do; if not, what was written means nothing. Raises: ValueError where they
    end too early.
    """
    head = layout.KNOWN_CATEGORIES - layout.OF_AMOUNT + 1
    for state in range(rows.size):
        numbers, counts = all_numbers[rows[state]], all_counts[rows[state]]
        at = counted = named = 0
        if state > 0:
            at, counted, named = parts.ends[0, state - 1], parts.ends[1, state - 1], parts.ends[2, state - 1]
        counts[layout.PLACED] = parts.counts[counted]
        counted += 1
        counts[layout.OF_AMOUNT : layout.KNOWN_CATEGORIES + 1] = parts.counts[counted : counted + head]
        counted += head
        categories = counts[layout.KNOWN_CATEGORIES]
        counts[layout.SEEN], counts[layout.FLAGGED] = int(parts.numbers[at]), int(parts.numbers[at + 1])
        at += 2
        for start, length in _used(counts):
            numbers[start : start + length] = parts.numbers[at : at + length]
            at += length
        counts[layout.CITY] = parts.keys[named]
        named += 1
        counts[layout.CATEGORY_KEYS : layout.CATEGORY_KEYS + categories] = parts.keys[named : named + categories]
        named += categories
        counts[layout.OF_CATEGORY : layout.OF_CATEGORY + categories] = parts.counts[counted : counted + categories]
        counted += categories
        for field in range(layout.FIELDS):
            start = layout.STARTS[field]
            seen, known = start + 2 + layout.LIMITS[field], int(parts.counts[counted])
            counts[start], counts[start + 1] = known, parts.counts[counted + 1]
            counted += 2
            counts[seen : seen + known] = parts.counts[counted : counted + known]
            counted += known
            counts[start + 2 : start + 2 + known] = parts.keys[named : named + known]
            named += known
        if at != parts.ends[0, state] or counted != parts.ends[1, state] or named != parts.ends[2, state]:
            return False
    return True
