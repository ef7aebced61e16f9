"""Sending a file: to the engine in this process, or to a broker that an engine elsewhere reads."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from aiokafka.errors import KafkaError
from rich.console import Console

from domain.sanitize import sanitize
from services.brokers.broker import Broker
from services.brokers.external import ExternalBroker, Security
from services.brokers.factory import make_broker
from services.engine.engine import Engine
from services.errors import UserError
from services.models import schedule
from services.process.lock import EngineLock
from services.progress import progress
from services.records.files import InvalidRow, Row, open_rows
from services.records.mapping import Mapping
from services.sending.pace import Replay
from services.sending.producer import EMBEDDED_LAG_LIMIT, LAG_LIMIT, Sender
from services.settings import Settings
from services.store.faults import Transient
from services.store.store import Store

_SHOWN_REJECTS = 10


class EngineConsumer:
    """The engine in this process: its fits are waited for, so that `score` can repeat the replay exactly."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def lag(self, ends: dict[int, int]) -> int:
        """How many records before these end offsets are not stored yet."""
        return self._engine.pipeline.behind(ends)

    async def until_fit(self) -> int | None:
        """How many more transactions may be stored before the next fit."""
        models = self._engine.models
        # Everything sent is stored by now, so that this count is exact.
        with contextlib.suppress(Transient):
            await models.recount()
        await models.caught_up()
        return schedule.next_fit(models.trained_rows) - models.stored


class StoredConsumer:
    """Engines elsewhere, known by what they have stored."""

    def __init__(self, store: Store, cluster: str, topic: str) -> None:
        self._store = store
        self._at = (cluster, topic)

    async def lag(self, ends: dict[int, int]) -> int:
        """How many records before these end offsets are not stored yet."""
        stored = {
            row["partition"]: row["next_offset"]
            for row in await self._store.progress()
            if (row["cluster"], row["topic"]) == self._at
        }
        return sum(max(0, end - stored.get(partition, 0)) for partition, end in ends.items())

    async def until_fit(self) -> int | None:
        """Other processes fit when they will."""
        return None


def running_broker(settings: Settings) -> Broker:
    """The broker that a running engine or the configuration names. Raises UserError when nobody could read it."""
    lock = EngineLock(settings.data_dir)
    engine = lock.holder() if lock.taken else {}
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


async def send_file(
    broker: Broker,
    settings: Settings,
    path: Path,
    *,
    speed: float | None,
    mapping: Mapping | None,
    consumer: EngineConsumer | StoredConsumer,
) -> int:
    """Send every row and wait until all are stored; rows that are no transactions become dead letters, returning 1."""
    console = Console(stderr=True)
    rejected: list[InvalidRow] = []

    def records() -> Iterator[Row]:
        for row in rows:
            if isinstance(row, InvalidRow):
                rejected.append(row)
            yield row

    sender = Sender(broker, settings.topic)
    with open_rows(path, mapping) as rows, progress(console) as bar:
        await sender.start()
        try:
            task = bar.add_task(f"replaying {path.name}", total=rows.size)
            replay = Replay(
                sender,
                records(),
                speed=speed,
                lag_limit=LAG_LIMIT if broker.durable else EMBEDDED_LAG_LIMIT,
                consumer=consumer,
                sent=lambda: bar.update(task, completed=rows.position),
            )
            await replay.run()
            bar.update(task, description="storing the last ones")
            await replay.drained()
        except (KafkaError, TimeoutError) as error:
            raise UserError(
                f"The broker stopped taking records after {sender.acknowledged:,}: {error or type(error).__name__}. "
                "The same command again sends the rest; what is stored is not stored twice."
            ) from error
        finally:
            await sender.stop()
    console.print(f"{replay.count:,} transactions replayed and stored, {len(rejected):,} rows in the dead letters.")
    report(rejected)
    return 1 if rejected else 0


def report(rejected: list[InvalidRow]) -> None:
    """Name the first rows that are not transactions, on stderr."""
    for row in rejected[:_SHOWN_REJECTS]:
        sys.stderr.write(f"row {row.row}: {sanitize(row.reason)}\n")
    if len(rejected) > _SHOWN_REJECTS:
        sys.stderr.write(f"... and {len(rejected) - _SHOWN_REJECTS:,} more\n")
