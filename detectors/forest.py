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
CHUNK = 256


class Forest:
    """All trees' nodes in one sequence; a leaf is its own child, so that every walk has the same length."""

    def __init__(
        self,
        feature: NDArray[np.int32],
        threshold: NDArray[np.float32],
        child: NDArray[np.int32],
        path: NDArray[np.float64],
        root: NDArray[np.int32],
        depth: int,
        usual_path: float,
    ) -> None:
        self._feature, self._threshold, self._child, self._path = feature, threshold, child, path
        self._root, self._depth, self._usual_path = root, depth, usual_path

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
        sizes = [tree.node_count for tree in trees]
        root = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int32)
        feature, threshold, child, path = [], [], [], []
        for tree, start in zip(trees, root.tolist(), strict=True):
            leaf = tree.children_left < 0
            own = np.arange(tree.node_count)
            feature.append(np.where(leaf, 0, tree.feature))
            threshold.append(np.where(leaf, np.inf, tree.threshold))
            left = np.where(leaf, own, tree.children_left) + start
            right = np.where(leaf, own, tree.children_right) + start
            child.append(np.stack((left, right), axis=1).ravel())
            path.append(_depths(tree) + _average_path(tree.n_node_samples))
        return cls(
            np.concatenate(feature).astype(np.int32),
            _rounded_down(np.concatenate(threshold)),
            np.concatenate(child).astype(np.int32),
            np.concatenate(path),
            root,
            max(tree.max_depth for tree in trees),
            float(_average_path(np.array([fitted.max_samples_]))[0]),
        )

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
        values = X.ravel()
        offset = (np.arange(len(X), dtype=np.int32) * X.shape[1])[:, None]
        node = np.repeat(self._root[None, :], len(X), axis=0)
        for _ in range(self._depth):
            value = values.take(self._feature.take(node) + offset)
            right = value > self._threshold.take(node)
            node <<= 1
            node += right
            node = self._child.take(node)
        mean = self._path.take(node).sum(axis=1) / len(self._root)
        return np.asarray(2.0 ** (-mean / self._usual_path))

    def to_arrays(self) -> "FlatForest":
        """The forest as plain bytes, little-endian."""
        return FlatForest(
            self._feature.astype("<i4").tobytes(),
            self._threshold.astype("<f4").tobytes(),
            self._child.astype("<i4").tobytes(),
            self._path.astype("<f8").tobytes(),
            self._root.astype("<i4").tobytes(),
            self._depth,
            self._usual_path,
        )


class FlatForest(msgspec.Struct, frozen=True):
    """A forest as it is stored."""

    feature: bytes
    threshold: bytes
    child: bytes
    path: bytes
    root: bytes
    depth: int
    usual_path: float

    def forest(self) -> Forest:
        """The forest these arrays describe."""
        return Forest(
            np.frombuffer(self.feature, "<i4").astype(np.int32),
            np.frombuffer(self.threshold, "<f4").astype(np.float32),
            np.frombuffer(self.child, "<i4").astype(np.int32),
            np.frombuffer(self.path, "<f8").astype(np.float64),
            np.frombuffer(self.root, "<i4").astype(np.int32),
            self.depth,
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
