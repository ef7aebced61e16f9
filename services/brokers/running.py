"""The broker that a running engine uses, for commands beside it."""

from services.brokers.broker import Broker
from services.brokers.external import ExternalBroker, Security
from services.brokers.factory import make_broker
from services.errors import UserError
from services.process.lock import EngineLock
from services.settings import Settings


def running_broker(settings: Settings) -> Broker:
    """The broker that a running engine or the configuration names. Raises UserError when nobody could read it."""
    lock = EngineLock(settings.data_dir)
    engine = lock.holder() if lock.is_taken() else {}
    if engine.get("broker") == "embedded":
        # Kafka's own cluster id does not tell one embedded broker from the one before it.
        return ExternalBroker(engine["bootstrap"], Security(), durable=False, cluster_id=engine["cluster"])
    if settings.kafka == "embedded" and not engine:
        raise UserError(
            "Nobody would read from an embedded broker of this command's own: start `anomaly-tui` first, "
            "or name a broker with --kafka local or --kafka HOST:PORT."
        )
    return make_broker(
        engine.get("bootstrap", settings.kafka)
        if engine.get("broker") == "external"
        else engine.get("broker", settings.kafka),
        data_dir=settings.data_dir,
        cache_dir=settings.cache_dir,
        kafka_home=settings.kafka_home,
        security=settings.security,
    )
