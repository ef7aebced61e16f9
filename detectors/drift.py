"""Drift: how far the features and scores of today's traffic have moved from those a model was fitted on."""

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

BINS = 10
SAMPLED = 8
"""One in this many transactions is remembered for drift."""

WINDOW = 2_000
ENOUGH = 300
"""Rows remembered, and how many make a judgement: with fewer, chance alone looks like a move."""


class Reference(msgspec.Struct, frozen=True, array_like=True):
    """Where history's values lay, column by column: the inner edges of up to `BINS` bins, and each bin's share.

    The first bin is for missing values, the others go from edge to edge, each with its upper end.
    """

    edges: tuple[tuple[float, ...], ...]
    shares: tuple[tuple[float, ...], ...]

    @classmethod
    def fit(cls, values: NDArray[np.float64]) -> Self:
        """Bins of about equal shares of `values`, shape (n, n_columns); -inf is a missing value."""
        edges, shares = [], []
        for column in values.T:
            known = column[column > -inf]
            # Ties make fewer bins: a feature that is mostly 0 has one for that and some for the rest.
            inner = np.unique(np.quantile(known, np.arange(1, BINS) / BINS)) if known.size else np.zeros(0)
            edges.append(tuple(inner.tolist()))
            shares.append(tuple(_shares(column, inner).tolist()))
        return cls(tuple(edges), tuple(shares))

    def psi(self, values: NDArray[np.float64]) -> list[float]:
        """The population stability index of each column of `values`, shape (n, n_columns).

        Below .1 it is taken for no change, above .25 for a different population. Source: Siddiqi, "Credit Risk
        Scorecards", 2006, chapter 7.
        """
        found = []
        for column, edges, before in zip(values.T, self.edges, self.shares, strict=True):
            now, then = _shares(column, np.array(edges)), np.array(before)
            found.append(float(((now - then) * np.log(now / then)).sum()))
        return found


def _shares(column: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each bin's share, with half an observation more, since an empty bin would be infinitely far away."""
    missing = column == -inf
    counts = np.bincount(np.searchsorted(edges, column[~missing], side="left"), minlength=len(edges) + 1)
    smoothed = np.concatenate(([missing.sum()], counts)).astype(np.float64) + 0.5
    return np.asarray(smoothed / smoothed.sum())


class Sample:
    """The newest of a detector's rows, one in `SAMPLED`, for one process and one model."""

    def __init__(self, reference: Reference | None, columns: Sequence[str]) -> None:
        self._reference, self._columns = reference, columns
        self._rows: deque[Sequence[float]] = deque(maxlen=WINDOW)
        self._untaken = 0

    def add(self, row: Sequence[float]) -> None:
        """Remember a row of all columns."""
        self._rows.append(row)
        self._untaken += 1

    def extend(self, rows: NDArray[np.float64]) -> None:
        """Remember rows, shape (n, n_columns)."""
        self._rows.extend(rows.tolist())
        self._untaken += len(rows)

    def taken(self) -> NDArray[np.float64]:
        """What came since it was taken last, as far as it is remembered: for the sample of the same model elsewhere."""
        rows = list(self._rows)[-self._untaken :] if self._untaken else []
        self._untaken = 0
        return np.array(rows).reshape(len(rows), len(self._columns))

    def drift(self) -> dict[str, float]:
        """The population stability index by column; empty until there are `ENOUGH` rows."""
        rows = list(self._rows)
        if self._reference is None or len(rows) < ENOUGH:
            return {}
        return dict(zip(self._columns, self._reference.psi(np.array(rows)), strict=True))
