"""Transactions as rows of numbers and of keys, as `detectors.layout` has them."""

from typing import NamedTuple, cast

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
    normals = [by_category.get(category or "") or overall for category in of.category]
    numbers = np.empty((len(inputs), layout.ROW_NUMBERS))
    numbers[:, layout.ROW_AMOUNT], numbers[:, layout.ROW_LOG_AMOUNT] = of.amount, of.log_amount
    numbers[:, layout.ROW_TIME] = of.time
    numbers[:, layout.ROW_LATITUDE], numbers[:, layout.ROW_LONGITUDE] = of.latitude, of.longitude
    numbers[:, layout.ROW_MEAN] = [normal.mean for normal in normals]
    numbers[:, layout.ROW_VARIANCE] = [normal.variance for normal in normals]
    for field, (frequencies, names) in enumerate(zip(population.fields, of.names, strict=False)):
        share, unseen = cast(dict[str | None, float], frequencies.share), frequencies.unseen
        numbers[:, layout.ROW_SHARES + field] = [share.get(name, unseen) for name in names]
    keys = np.empty((len(inputs), layout.ROW_KEYS), np.int64)
    for field, names in enumerate(of.names):
        keys[:, field] = keys_of(names)
    return Rows(numbers, keys)
