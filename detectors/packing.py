"""A user's state as it is stored: what of its rows is in use, one part after the other, and its names.

All users' rows have the same size, most of which few ever use. Keys are one process's own: only names are stored.
"""

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


@compiled
def packed(numbers: Numbers, counts: Counts) -> tuple[Numbers, NDArray[np.uint16], Counts]:
    """What is in use of a state: its numbers, its counts, and the keys of its names."""
    out_numbers = np.empty(2 + layout.NUMBERS)
    out_counts = np.empty(layout.COUNTS, np.uint16)
    keys = np.empty(layout.COUNTS, np.int64)
    recent, categories = counts[layout.KNOWN_TIMES], counts[layout.KNOWN_CATEGORIES]
    out_numbers[0], out_numbers[1] = counts[layout.SEEN], counts[layout.FLAGGED]
    at = 2 + layout.TIMES
    out_numbers[2:at] = numbers[: layout.TIMES]
    for start, length in (
        (layout.TIMES, recent),
        (layout.AMOUNTS, recent),
        (layout.BY_CATEGORY, 2 * categories),
    ):
        out_numbers[at : at + length] = numbers[start : start + length]
        at += length
    keys[0] = counts[layout.CITY]
    keys[1 : 1 + categories] = counts[layout.CATEGORY_KEYS : layout.CATEGORY_KEYS + categories]
    named = 1 + categories
    out_counts[0] = counts[layout.PLACED]
    head = layout.KNOWN_CATEGORIES - layout.OF_AMOUNT + 1
    out_counts[1 : 1 + head] = counts[layout.OF_AMOUNT : layout.KNOWN_CATEGORIES + 1]
    counted = 1 + head
    out_counts[counted : counted + categories] = counts[layout.OF_CATEGORY : layout.OF_CATEGORY + categories]
    counted += categories
    for field in range(layout.FIELDS):
        start = layout.STARTS[field]
        seen, known = start + 2 + layout.LIMITS[field], counts[start]
        out_counts[counted], out_counts[counted + 1] = known, counts[start + 1]
        out_counts[counted + 2 : counted + 2 + known] = counts[seen : seen + known]
        keys[named : named + known] = counts[start + 2 : start + 2 + known]
        counted += 2 + known
        named += known
    return out_numbers[:at], out_counts[:counted], keys[:named]


@compiled
def unpacked(
    stored_numbers: Numbers, stored_counts: NDArray[np.uint16], keys: Counts, numbers: Numbers, counts: Counts
) -> None:
    """Write a state into rows of zeros: the reverse of `packed`."""
    head = layout.KNOWN_CATEGORIES - layout.OF_AMOUNT + 1
    counts[layout.PLACED] = stored_counts[0]
    counts[layout.OF_AMOUNT : layout.KNOWN_CATEGORIES + 1] = stored_counts[1 : 1 + head]
    counted = 1 + head
    recent, categories = counts[layout.KNOWN_TIMES], counts[layout.KNOWN_CATEGORIES]
    counts[layout.SEEN], counts[layout.FLAGGED] = int(stored_numbers[0]), int(stored_numbers[1])
    at = 2 + layout.TIMES
    numbers[: layout.TIMES] = stored_numbers[2:at]
    for start, length in (
        (layout.TIMES, recent),
        (layout.AMOUNTS, recent),
        (layout.BY_CATEGORY, 2 * categories),
    ):
        numbers[start : start + length] = stored_numbers[at : at + length]
        at += length
    counts[layout.CITY] = keys[0]
    counts[layout.CATEGORY_KEYS : layout.CATEGORY_KEYS + categories] = keys[1 : 1 + categories]
    named = 1 + categories
    counts[layout.OF_CATEGORY : layout.OF_CATEGORY + categories] = stored_counts[counted : counted + categories]
    counted += categories
    for field in range(layout.FIELDS):
        start = layout.STARTS[field]
        seen, known = start + 2 + layout.LIMITS[field], int(stored_counts[counted])
        counts[start], counts[start + 1] = known, stored_counts[counted + 1]
        counts[seen : seen + known] = stored_counts[counted + 2 : counted + 2 + known]
        counts[start + 2 : start + 2 + known] = keys[named : named + known]
        counted += 2 + known
        named += known
