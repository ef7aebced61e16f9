"""`python -m services.models.fit`: fits models on stored history in a process of its own.

It imports all that a fit needs, waits for a line on its standard input, fits once and ends. It ends too when that
input does, as it does when the engine is killed, and when it has waited for `PATIENCE`.

The database URL comes from the environment, never from the arguments, which other users can read.
"""

import argparse
import asyncio
import os
import select
import threading
import time

from detectors.policy import USUAL_POLICY, Policy
from detectors.precompile import handful
from domain.verdict import DetectorChoice
from services.models import schedule
from services.store.store import Store

DSN_VARIABLE = "ANOMALY_TUI_FIT_DSN"
ASKED = b"fit\n"
PATIENCE = 600.0
"""Seconds: a waiting process holds some 150 MB."""

_FIT_LOCK = 7_294_002


async def fit_stored(store: Store, choice: DetectorChoice, policy: Policy, *, due_or_not: bool = False) -> bool:
    """Fit on the newest history and keep the models; `due_or_not` fits whatever the exact count.

    Returns: False when no fit is due, nothing is stored, or another process is already fitting.
    """
    async with store.pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _FIT_LOCK):
            return False
        try:
            stored = await store.count()
            latest = [await store.latest_model(detector) for detector in schedule.warming(choice).versions]
            if not due_or_not and not schedule.due(stored, min(model[1] if model else 0 for model in latest)):
                return False
            began = time.monotonic()
            history = await store.fit_history(schedule.HISTORY_ROWS)
            if not history:
                return False
            models = await asyncio.to_thread(schedule.fit, history, stored, choice, policy)
            common = schedule.figures(history)
            for name, model in models.detectors.items():
                seconds = round(time.monotonic() - began, 1)
                figures = {**common, **model.figures, "seconds": seconds}
                await store.save_model(model.version, name, stored, model.to_bytes(), figures)
            return True
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _FIT_LOCK)


async def _fit(dsn: str, choice: DetectorChoice, policy: Policy) -> None:
    store = await Store.open(dsn, connections=2, as_it_is=True)
    try:
        await fit_stored(store, choice, policy)
    finally:
        await store.close()


def _rehearse(choice: DetectorChoice, policy: Policy) -> None:
    """Fit on a handful of rows and forget them: scikit-learn imports most of itself only then, for seconds."""
    rows = handful()
    schedule.fit(rows, len(rows), choice, policy)


def _end_with_engine() -> None:
    """A fit whose engine is gone is of no use to anybody; its model is saved whole or not at all."""
    if not os.read(0, 1):
        os._exit(1)


def main() -> None:
    """Entry point of the child process."""
    parser = argparse.ArgumentParser(prog="services.models.fit")
    parser.add_argument("--detector", choices=("basic", "enhanced", "both"), default="both")
    parser.add_argument("--alerts-wrong", type=float, default=USUAL_POLICY.alerts_wrong)
    parser.add_argument("--alert-rate", type=float)
    arguments = parser.parse_args()
    policy = Policy(arguments.alerts_wrong, arguments.alert_rate)
    _rehearse(arguments.detector, policy)
    if not select.select([0], [], [], PATIENCE)[0] or os.read(0, len(ASKED)) != ASKED:
        return
    threading.Thread(target=_end_with_engine, daemon=True).start()
    asyncio.run(_fit(os.environ[DSN_VARIABLE], arguments.detector, policy))


if __name__ == "__main__":
    main()
