"""Microseconds a transaction to score, beside scikit-learn scoring rows one by one in the same run.

Both detectors score the same batches of 512 with the states of 1,000 users who are known well. "Features, both
scores, learning" is that alone; "everything" has verdicts with their reasons besides, which is what the pipeline pays.
Each figure is the least of several runs, since whatever else the machine does can only add to it. The flat forest is
checked against scikit-learn's own scores.
"""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import IsolationForest

from detectors.fitting import NOTHING_FITTED
from detectors.forest import SAMPLES, TREES, Forest
from detectors.inputs import inputs_of
from detectors.policy import USUAL_POLICY
from detectors.state import States, UserState
from detectors.stream import passed
from domain.transaction import Transaction
from services.models import schedule
from simulator import Simulator

HISTORY, BATCH, BATCHES, COLUMNS = 20_000, 512, 8, 13
TARGET = 25.0


def traffic(count: int) -> list[Transaction]:
    """1,000 users who buy about twice a day, 1 in 20 transactions anomalous."""
    simulator = Simulator(users=1000, anomaly_rate=0.05, seed=7, start=datetime(2026, 1, 5, tzinfo=UTC), rate=0.02)
    return [transaction for transaction, _ in islice(simulator.stream(), count)]


def least(
    rounds: int, prepare: Callable[[], dict[str, UserState]], work: Callable[[dict[str, UserState]], None], count: int
) -> float:
    """Microseconds a transaction, the least of `rounds`; `prepare` is not timed."""
    best = float("inf")
    for _ in range(rounds):
        prepared = prepare()
        began = time.perf_counter()
        work(prepared)
        best = min(best, time.perf_counter() - began)
    return best / count * 1e6


def single_rows(rounds: int) -> tuple[float, float]:
    """Microseconds of scikit-learn for one row (median), and its largest difference from the flat forest."""
    draw = np.random.default_rng(1)
    X = draw.normal(size=(HISTORY, COLUMNS)).astype(np.float32)
    fitted = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=0).fit(X)
    unseen = draw.normal(size=(BATCH, COLUMNS)).astype(np.float32) * 2
    difference = np.abs(Forest.of(fitted).score(unseen) + fitted.score_samples(unseen)).max()
    seconds = []
    for number in range(5 * rounds):
        began = time.perf_counter()
        fitted.score_samples(unseen[number % BATCH : number % BATCH + 1])
        seconds.append(time.perf_counter() - began)
    return median(seconds) * 1e6, float(difference)


def run(rounds: int) -> None:
    """Fit on history, time the parts and the whole, print one table."""
    rows = traffic(HISTORY + BATCH * BATCHES)
    models = schedule.fit(rows[:HISTORY], HISTORY, "both", USUAL_POLICY)
    basic, enhanced = models.basic, models.enhanced
    assert basic is not None
    assert enhanced is not None
    fitted, forest, tables = basic.fitted, basic.forest, enhanced.tables
    assert fitted is not None
    assert forest is not None
    assert tables is not None
    settled: dict[str, UserState] = {}
    enhanced.score(rows[:HISTORY], settled)
    encoded = {user: state.to_bytes() for user, state in settled.items()}
    batches = [rows[start : start + BATCH] for start in range(HISTORY, len(rows), BATCH)]

    def states() -> dict[str, UserState]:
        known = {user: UserState.from_bytes(state) for user, state in encoded.items()}
        return known | {row.user_id: UserState() for row in rows if row.user_id not in known}

    def both(known: dict[str, UserState]) -> None:
        for batch in batches:
            features = inputs_of(batch)
            basic.score(batch, rows=features)
            enhanced.score(batch, known, rows=features)

    population, usual = enhanced.population, enhanced.population.usual()

    def features(known: dict[str, UserState]) -> None:
        for batch in batches:
            rows = inputs_of(batch)
            passed(rows, States(rows.of.user.distinct, known, {}), population, usual, NOTHING_FITTED, None)

    def scores(known: dict[str, UserState]) -> None:
        for batch in batches:
            flat = inputs_of(batch)
            basic.scores(fitted, forest, flat)
            enhanced.found(flat, States(flat.of.user.distinct, known, {}))

    def timed(work: Callable[[dict[str, UserState]], None]) -> float:
        return least(rounds, states, work, BATCH * BATCHES)

    single, difference = single_rows(rounds)
    parts = {
        "rows, the enhanced detector's features, learning": timed(features),
        "features, both scores, learning": timed(scores),
        "everything: verdicts and reasons too": timed(both),
    }
    table = Table(title=f"Scoring, batches of {BATCH}, one core; scikit-learn, one row at a time: {single:,.0f} us")
    for column in ("part", "us a transaction", "scikit-learn is slower by"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for name, taken in parts.items():
        table.add_row(name, f"{taken:.1f}", f"{single / taken:,.0f}")
    table.add_section()
    table.add_row("to reach, features, both scores and learning", f"{TARGET:.0f}", "")
    table.add_row("largest difference of forest scores", f"{difference:.0e}", "")
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    run(parser.parse_args().rounds)
