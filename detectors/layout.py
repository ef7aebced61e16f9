"""Where one user's running state has what: a row of numbers and a row of counts, of one size for everybody.

A name (a merchant, a country) stands in it as a key of 64 bits; two names of one user that share a key would count as
one, which 64 bits make less likely than a broken machine.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

RECENT = 32
MAX_MERCHANTS = 64
MAX_VALUES = 24

# Numbers: float64.
LAST_TIME, MEMORY, BAR, RISE, ALERTED, SINCE, LATITUDE, LONGITUDE, PLACE_TIME = range(9)
AMOUNT, LOG_AMOUNT, GAP, LOG_GAP = range(9, 17, 2)
"""Each a running mean, followed by its variance."""
TIMES = 17
AMOUNTS = TIMES + RECENT
BY_CATEGORY = AMOUNTS + RECENT
"""The log amounts by category: mean, variance, mean, variance ..."""
NUMBERS = BY_CATEGORY + 2 * MAX_VALUES

# Counts: int64.
SEEN, FLAGGED, PLACED, CITY = range(4)
"""`PLACED` is 1 where the user's place is known, `CITY` the key of its name."""
OF_AMOUNT, OF_LOG_AMOUNT, OF_GAP, OF_LOG_GAP = range(4, 8)
"""How many observations the running means stand on."""
KNOWN_TIMES = 8
HOURS = 9
WEEKDAYS = HOURS + 24
KNOWN_CATEGORIES = WEEKDAYS + 7
CATEGORY_KEYS = KNOWN_CATEGORIES + 1
OF_CATEGORY = CATEGORY_KEYS + MAX_VALUES
_COUNTED = OF_CATEGORY + MAX_VALUES

# The fields whose values are counted, in this order everywhere.
MERCHANT, CATEGORY, COUNTRY, DEVICE, PAYMENT_METHOD, CURRENCY, TRANSACTION_TYPE = range(7)
FIELDS = 7
LIMITS = np.array([MAX_MERCHANTS, *[MAX_VALUES] * (FIELDS - 1)])
STARTS = _COUNTED + np.concatenate(([0], np.cumsum(2 + 2 * LIMITS)[:-1]))
"""Where a field begins: how many values are known, their total, a key each, a count each."""
COUNTS = int(_COUNTED + (2 + 2 * LIMITS).sum())

# A transaction's row of numbers, and of keys: the fields above and the city.
ROW_AMOUNT, ROW_LOG_AMOUNT, ROW_TIME, ROW_LATITUDE, ROW_LONGITUDE, ROW_MEAN, ROW_VARIANCE, ROW_SHARES = range(8)
"""Missing coordinates are NaN. Mean and variance are those of log amounts in its category in the whole population;
the shares are those of its values there."""
ROW_NUMBERS = ROW_SHARES + FIELDS
ROW_CITY = FIELDS
ROW_KEYS = FIELDS + 1

MISSING_KEY, EMPTY_KEY = 0, 1
"""The keys of a missing value and of the empty name."""


def keys_of(names: Iterable[str | None]) -> list[int]:
    """The keys of names in this process; another one has other keys."""
    return [MISSING_KEY if name is None else hash(name) or EMPTY_KEY for name in names]
