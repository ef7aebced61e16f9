"""Which broker a name stands for."""

from pathlib import Path

from services.brokers.broker import Broker
from services.brokers.embedded import EmbeddedBroker
from services.brokers.external import ExternalBroker
from services.brokers.local import LocalBroker
from services.brokers.security import Security


def make_broker(
    kafka: str,
    *,
    data_dir: Path,
    cache_dir: Path,
    kafka_home: Path | None = None,
    security: Security | None = None,
) -> Broker:
    """The broker that `kafka` names: embedded, local, or HOST:PORT; nothing is started yet."""
    if kafka == "embedded":
        return EmbeddedBroker()
    if kafka == "local":
        return LocalBroker(data_dir / "kafka", cache_dir, kafka_home)
    return ExternalBroker(kafka, security or Security())
