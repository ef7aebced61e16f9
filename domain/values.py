"""The values of transactions as columns."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from domain.transaction import COLUMNS, GROUPS, Transaction

Values = Mapping[str, list[Any]]
"""Of n transactions a list of n values for each path of `COLUMNS`, and of what is `extra`."""

_PATHS = (*(column.path for column in COLUMNS), "extra")


def no_values() -> dict[str, list[Any]]:
    """Those of no transactions yet."""
    return {path: [] for path in _PATHS}


def values_of(transactions: Sequence[Transaction]) -> Values:
    """The values of these, in order."""
    # Each object is looked for once: in memory they are far from each other.
    groups = {group: [*map(attrgetter(group), transactions)] for group in GROUPS}
    found: dict[str, list[Any]] = {}
    for path in _PATHS:
        group, _, name = path.rpartition(".")
        found[path] = [*map(attrgetter(name), groups.get(group, transactions))]
    return found
