"""The oracle is the best there can be, and not all-knowing."""

from datetime import UTC, datetime
from itertools import islice

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from simulator import Simulator
from simulator.oracle import Oracle

START = datetime(2026, 1, 5, tzinfo=UTC)


def simulator(seed: int = 5, **changes: float) -> Simulator:
    return Simulator(100, changes.get("anomaly_rate", 0.05), seed, start=START, rate=300 / 86_400)


def test_it_ranks_next_to_all_anomalies_first_and_misses_some() -> None:
    rows = list(islice(Oracle(simulator()).stream(), 8_000))
    anomalous = np.array([truth.anomalous for _, truth, _ in rows])
    odds = np.array([odds for _, _, odds in rows])
    assert 0.99 < roc_auc_score(anomalous, odds) < 1.0
    assert 0.95 < average_precision_score(anomalous, odds) < 1.0


def test_it_leaves_the_stream_as_it_is() -> None:
    watched = [(transaction, truth) for transaction, truth, _ in islice(Oracle(simulator()).stream(), 500)]
    assert watched == list(islice(simulator().stream(), 500))


def test_its_odds_are_odds() -> None:
    rows = list(islice(Oracle(simulator(seed=6)).stream(), 8_000))
    likely = np.array([1.0 / (1.0 + np.exp(-odds)) for _, _, odds in rows])
    anomalous = np.array([truth.anomalous for _, truth, _ in rows])
    # As many anomalies as the probabilities add up to.
    assert 0.8 < likely.sum() / anomalous.sum() < 1.2
