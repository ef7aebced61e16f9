"""An isolation forest flattened to arrays, scored for all trees at once.

scikit-learn spends milliseconds a call on input checks and walks its trees one by one; the same forest as flat
arrays needs numpy alone, neither pickle nor scikit-learn, and agrees with `score_samples` to 1e-9.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

TREES = 100
SAMPLES = 256
CHUNK = 512


class Forest:
    """Every tree as a full binary tree of the same depth, so that a walk needs no pointers: below node i are 2i + 1 and
    2i + 2. A leaf higher up is followed by copies of itself, to which every value goes.

    `feature` and `threshold` have shape (trees, inner nodes), `path` (trees, leaves) is the path length of each leaf.
    """

    def __init__(
        self,
        feature: NDArray[np.int64],
        threshold: NDArray[np.float32],
        path: NDArray[np.float64],
        usual_path: float,
    ) -> None:
        self._feature, self._threshold, self._path, self._usual_path = feature, threshold, path, usual_path
        trees, inner = feature.shape
        self._depth = (inner + 1).bit_length() - 1
        number = np.arange(trees)[:, None]
        self._root = number * inner
        # From node i of a tree that begins at `root` to 2i + 1, both counted from the start of all trees.
        self._step = 1 - self._root
        self._leaf = number - inner

    @classmethod
    def fit(cls, X: NDArray[np.float64], seed: int) -> "Forest":
        """Fit `TREES` trees on `SAMPLES` rows each of X, shape (n, n_features); the same seed, the same forest.

        Source: Liu, Ting, Zhou, "Isolation Forest", ICDM 2008, as in scikit-learn.
        """
        from sklearn.ensemble import IsolationForest

        samples = min(SAMPLES, len(X))
        fitted = IsolationForest(n_estimators=TREES, max_samples=samples, random_state=seed).fit(X.astype(np.float32))
        return cls.of(fitted)

    @classmethod
    def of(cls, fitted: Any) -> "Forest":
        """The flat form of a fitted `sklearn.ensemble.IsolationForest` that uses all features in every tree."""
        trees = [estimator.tree_ for estimator in fitted.estimators_]
        depth = max(max(tree.max_depth for tree in trees), 1)
        feature = np.zeros((len(trees), 2**depth - 1), np.int64)
        threshold = np.full(feature.shape, np.inf, np.float32)
        path = np.zeros((len(trees), 2**depth))
        for number, tree in enumerate(trees):
            lengths = _depths(tree) + _average_path(tree.n_node_samples)
            bounds = _rounded_down(tree.threshold)
            nodes = np.zeros(1, np.int64)
            for level in range(depth):
                inner = tree.children_left[nodes] >= 0
                level_nodes = slice(2**level - 1, 2 ** (level + 1) - 1)
                feature[number, level_nodes] = np.where(inner, tree.feature[nodes], 0)
                threshold[number, level_nodes] = np.where(inner, bounds[nodes], np.inf)
                below = np.where(inner, (tree.children_left[nodes], tree.children_right[nodes]), nodes)
                nodes = below.T.ravel()
            path[number] = lengths[nodes]
        return cls(feature, threshold, path, float(_average_path(np.array([fitted.max_samples_]))[0]))

    def score(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Anomaly score of each row.

        Parameters: X, shape (n, n_features), rounded to float32 as scikit-learn does.
        Returns: float64 of shape (n,), in (0, 1]; 1 is most anomalous (scikit-learn's sign reversed).
        """
        single = np.ascontiguousarray(X, np.float32)
        found = np.empty(len(single))
        for start in range(0, len(single), CHUNK):
            chunk = single[start : start + CHUNK]
            found[start : start + CHUNK] = self._score_chunk(chunk)
        return found

    def _score_chunk(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        rows = np.arange(len(X))
        # Columns one after the other, and trees before rows: a tree's nodes stay in the fastest cache for all rows.
        values = X.T.ravel()
        column = self._feature * len(X)
        node = np.repeat(self._root, len(X), axis=1)
        for _ in range(self._depth):
            value = values.take(column.take(node) + rows)
            right = value > self._threshold.take(node)
            node <<= 1
            node += self._step
            node += right
        node += self._leaf
        mean = self._path.take(node).sum(axis=0) / len(self._root)
        return np.asarray(2.0 ** (-mean / self._usual_path))

    def to_arrays(self) -> "FlatForest":
        """The forest as plain bytes, little-endian."""
        return FlatForest(
            self._feature.astype("<i2").tobytes(),
            self._threshold.astype("<f4").tobytes(),
            self._path.astype("<f8").tobytes(),
            len(self._root),
            self._usual_path,
        )


class FlatForest(msgspec.Struct, frozen=True):
    """A forest as it is stored."""

    feature: bytes
    threshold: bytes
    path: bytes
    trees: int
    usual_path: float

    def forest(self) -> Forest:
        """The forest these arrays describe."""
        return Forest(
            np.frombuffer(self.feature, "<i2").astype(np.int64).reshape(self.trees, -1),
            np.frombuffer(self.threshold, "<f4").astype(np.float32).reshape(self.trees, -1),
            np.frombuffer(self.path, "<f8").astype(np.float64).reshape(self.trees, -1),
            self.usual_path,
        )


def _depths(tree: Any) -> NDArray[np.float64]:
    depth = np.zeros(tree.node_count)
    # scikit-learn numbers a parent before its children.
    for node, (left, right) in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        if left >= 0:
            depth[left] = depth[right] = depth[node] + 1
    return depth


def _average_path(n: NDArray[Any]) -> NDArray[np.float64]:
    """Average path length of an unsuccessful search in a binary tree of n samples (eq. 1 of the paper)."""
    count = n.astype(np.float64)
    path = np.zeros(count.shape)
    path[count == 2] = 1.0
    many = count > 2
    path[many] = 2.0 * (np.log(count[many] - 1.0) + np.euler_gamma) - 2.0 * (count[many] - 1.0) / count[many]
    return path


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each threshold: a float32 value compares with it as with the original."""
    single = threshold.astype(np.float32)
    above = single.astype(np.float64) > threshold
    single[above] = np.nextafter(single[above], np.float32(-np.inf))
    return single
