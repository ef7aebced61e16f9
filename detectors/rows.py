"""Transactions as rows of numbers and of keys, as `detectors.layout` has them."""

from typing import NamedTuple

import numpy as np

from detectors import layout
from detectors.inputs import InputColumns
from detectors.layout import Counts, Numbers, keys_of
from detectors.population import Population


class Rows(NamedTuple):
    """`numbers` has shape (n, `ROW_NUMBERS`), `keys` (n, `ROW_KEYS`)."""

    numbers: Numbers
    keys: Counts


def rows_of(inputs: InputColumns, population: Population) -> Rows:
    """The rows of `inputs`, with what the population says of their values."""
    of = inputs.of
    by_category, overall = population.by_category, population.log_amount
    numbers = np.empty((len(inputs), layout.ROW_NUMBERS))
    numbers[:, layout.ROW_AMOUNT], numbers[:, layout.ROW_LOG_AMOUNT] = of.amount, of.log_amount
    numbers[:, layout.ROW_TIME] = of.time
    numbers[:, layout.ROW_LATITUDE], numbers[:, layout.ROW_LONGITUDE] = of.latitude, of.longitude
    numbers[:, layout.ROW_MEAN] = of.category.numbers(lambda name: by_category.get(name or "", overall).mean)
    numbers[:, layout.ROW_VARIANCE] = of.category.numbers(lambda name: by_category.get(name or "", overall).variance)
    for field, (frequencies, names) in enumerate(zip(population.fields, of.names, strict=False)):
        numbers[:, layout.ROW_SHARES + field] = names.numbers(frequencies.of)
    keys = np.empty((len(inputs), layout.ROW_KEYS), np.int64)
    for field, names in enumerate(of.names):
        keys[:, field] = np.array(keys_of(names.distinct), np.int64)[names.places]
    return Rows(numbers, keys)
