"""The pipeline as benchmarks run it, without an engine around it."""

from typing import Any

from detectors.models import Models
from services.brokers.broker import Broker
from services.console.bus import Bus
from services.pipeline.consumer import Pipeline
from services.settings import load
from services.store.store import Store


def pipeline_of(broker: Broker, store: Store, bus: Bus, topic: str, models: Models, **more: Any) -> Pipeline:
    """Reads the topic from its beginning and scores with `models`, in as many processes as are usual here or as
    ANOMALY_TUI_WORKERS says; `more` are other arguments of `Pipeline`.
    """
    settings = load({}).settings
    return Pipeline(
        broker=broker,
        store=store,
        bus=bus,
        models=lambda: models,
        mapping=None,
        topic=topic,
        group=topic,
        owner="bench",
        batch_size=settings.batch_size,
        workers=settings.scorers,
        **more,
    )
