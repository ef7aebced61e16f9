"""`python -m services.fit`: fits models on stored history in a process of its own.

The database URL comes from the environment, never from the arguments, which other users can read.
"""

import argparse
import asyncio
import os

from services import training
from services.store.store import Store

DSN_VARIABLE = "ANOMALY_TUI_FIT_DSN"
_FIT_LOCK = 7_294_002


async def fit_and_store(dsn: str, choice: training.DetectorChoice, alert_rate: float) -> bool:
    """Fit on the newest history and keep the models.

    Returns: False when no fit is due by the exact count, or another process is already fitting.
    """
    store = await Store.open(dsn, connections=2)
    try:
        async with store.pool.acquire() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _FIT_LOCK):
                return False
            stored = await store.count()
            latest = [await store.latest_model(detector) for detector in training.warming(choice).versions]
            if not training.due(stored, min(model[1] if model else 0 for model in latest)):
                return False
            history = await store.fit_history(training.HISTORY_ROWS)
            models = await asyncio.to_thread(training.fit, history, stored, choice, alert_rate)
            for name, model in zip(models._fields, models, strict=True):
                if model is not None:
                    await store.save_model(model.version, name, stored, model.to_bytes())
            return True
    finally:
        await store.close()


def main() -> None:
    """Entry point of the child process."""
    parser = argparse.ArgumentParser(prog="services.fit")
    parser.add_argument("--detector", choices=("basic", "enhanced", "both"), default="both")
    parser.add_argument("--alert-rate", type=float, default=0.005)
    arguments = parser.parse_args()
    asyncio.run(fit_and_store(os.environ[DSN_VARIABLE], arguments.detector, arguments.alert_rate))


if __name__ == "__main__":
    main()
