"""The broker that a running engine uses, for commands beside it."""

import asyncio
import time
from pathlib import Path
from typing import Any

from services.brokers.broker import Broker
from services.brokers.external import ExternalBroker
from services.brokers.factory import make_broker
from services.brokers.security import Security
from services.errors import UserError
from services.process.lock import EngineLock, at_work
from services.settings import Settings

_BROKER_WITHIN = 120.0


NOBODY_READS = (
    "Nobody would read from an embedded broker of this command's own: start `anomaly-tui` first, "
    "or name a broker with --kafka local or --kafka HOST:PORT."
)


async def running_broker(settings: Settings, without: str = NOBODY_READS) -> Broker:
    """The broker that a running engine or the configuration names; of an engine that starts, once it has one.

    Raises: UserError, which says `without`, where it would be an embedded one and no engine runs; also where a command
    is at work that no engine may run beside.
    """
    engine = await _engine(settings.data_dir)
    if engine.get("broker") == "embedded":
        # Every embedded broker reports the same Kafka cluster id, so the engine's own is used.
        return ExternalBroker(engine["bootstrap"], Security(), durable=False, cluster_id=engine["cluster"])
    if settings.kafka == "embedded" and not engine:
        raise UserError(without)
    return make_broker(
        engine.get("bootstrap", settings.kafka)
        if engine.get("broker") == "external"
        else engine.get("broker", settings.kafka),
        data_dir=settings.data_dir,
        cache_dir=settings.cache_dir,
        kafka_home=settings.kafka_home,
        security=settings.security,
    )


async def _engine(data_dir: Path) -> dict[str, Any]:
    """What the engine of a data directory reports about itself, its broker included; nothing where none runs."""
    lock = EngineLock(data_dir)
    deadline = time.monotonic() + _BROKER_WITHIN
    while engine := lock.holder():
        if "broker" in engine:
            break
        where = f"on {data_dir} (process {engine.get('pid', 'unknown')})"
        if command := engine.get("command"):
            raise UserError(f"{at_work(command)} {where}: try again when it has ended.")
        if time.monotonic() > deadline:
            raise UserError(f"The engine {where} has not started within {_BROKER_WITHIN:.0f} s: see its log.")
        await asyncio.sleep(0.1)
    return engine
