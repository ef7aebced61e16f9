"""The engine: servers, store and workers of one process."""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from domain.transaction import GroundTruth, Transaction
from services.api.server import ApiServer
from services.attach.server import Attach
from services.brokers.broker import Broker
from services.brokers.factory import make_broker
from services.console.bus import Bus
from services.console.in_process import InProcessPort
from services.console.port import Snapshot
from services.console.triage import TriageDesk
from services.engine.housekeeping import BrokerWatch, DatabaseWatch, Housekeeping
from services.frontend.errors import FrontendError
from services.frontend.reach import Reach, reach_of
from services.frontend.worker import Frontend
from services.models.keeper import ModelKeeper
from services.models.schedule import DetectorChoice
from services.pipeline.consumer import Pipeline
from services.process import garbage
from services.process.lock import EngineLock
from services.process.logs import LogRing
from services.process.runtime import RuntimeFolder
from services.process.supervisor import Supervisor
from services.records.mapping import Mapping
from services.sending.producer import Producer
from services.settings import Settings
from services.store.database import Database, make_database
from services.store.store import Store

log = structlog.get_logger("engine")

HUNG_AFTER = timedelta(seconds=60)
"""Without a heartbeat of the pipeline, which polls several times a second whatever happens to its servers."""

Stream = Callable[[], Iterator[tuple[Transaction, GroundTruth | None]]]


class Engine:
    """Everything that runs. `start` raises UserError when a server cannot be had; later trouble is supervised.

    `stream` is what the producer sends, None for no producer; `logs` is what consoles see of the log. With `browse` the
    web frontend opens a browser.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        detector: DetectorChoice = "both",
        stream: Stream | None = None,
        mapping: Mapping | None = None,
        browse: bool = False,
        logs: LogRing | None = None,
    ) -> None:
        self.settings = settings
        self.logs = logs or LogRing()
        self.bus = Bus()
        self.supervisor = Supervisor()
        self.started_at = datetime.now(UTC)
        self.instance = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._detector: DetectorChoice = detector
        self._stream = stream
        self._mapping = mapping
        self._lock = EngineLock(settings.data_dir)
        self._database: Database = make_database(settings.dsn, settings.data_dir)
        self.broker: Broker = make_broker(
            settings.kafka,
            data_dir=settings.data_dir,
            cache_dir=settings.cache_dir,
            kafka_home=settings.kafka_home,
            security=settings.security,
        )
        self._store: Store | None = None
        self._pipeline: Pipeline | None = None
        self._models: ModelKeeper | None = None
        self._triage: TriageDesk | None = None
        access = settings.api_access
        self.api = None if access is None else ApiServer(access)
        self._frontend = Frontend(
            settings.cache_dir,
            self._reach_api,
            port=settings.frontend_port,
            browse=browse and settings.browser,
        )
        self.quitting = asyncio.Event()

    @property
    def store(self) -> Store:
        """The store; only after `start`."""
        assert self._store is not None
        return self._store

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline; only after `start`."""
        assert self._pipeline is not None
        return self._pipeline

    @property
    def models(self) -> ModelKeeper:
        """The model keeper; only after `start`."""
        assert self._models is not None
        return self._models

    @property
    def triage(self) -> TriageDesk:
        """Where anomalies are decided on; only after `start`."""
        assert self._triage is not None
        return self._triage

    async def start(self, progress: Callable[[str], None] = lambda line: None) -> None:
        """Bring up the servers side by side, then the workers in order."""
        self._lock.acquire()
        try:
            if self.api is not None:
                self.api.reserve()
            await _all_or_error(self._open_store(progress), self._open_broker(progress))
        except BaseException:
            await self._stop_servers()
            raise
        self._lock.describe(broker=self.broker.name, bootstrap=self.broker.bootstrap, cluster=self.broker.cluster_id)
        store, settings = self.store, self.settings
        self._models = ModelKeeper(
            store, self._database.dsn, self.bus, self._detector, settings.alert_rate, settings.alert_rates
        )
        models = self._models
        self._pipeline = Pipeline(
            broker=self.broker,
            store=store,
            bus=self.bus,
            models=lambda: models.current,
            mapping=self._mapping,
            topic=settings.topic,
            group=settings.group,
            owner=self.instance,
            batch_size=settings.batch_size,
            isolation=settings.kafka_isolation,
            start_from=settings.start_from,
        )
        # The first, so that it is the last to stop: consoles see the others go.
        attach = Attach(
            InProcessPort(self, self.logs),
            RuntimeFolder(settings.data_dir),
            lambda path: self._lock.describe(socket=str(path)),
        )
        self.supervisor.add(attach)
        self.supervisor.add(DatabaseWatch(self._database, store))
        self.supervisor.add(BrokerWatch(self.broker))
        self.supervisor.add(self._models)
        self.supervisor.add(self._pipeline)
        self.supervisor.add(
            Housekeeping(
                store, self.instance, self.started_at, self._status, settings.retention_days, self.triage.keep_up
            )
        )
        if self._stream is not None:
            self.supervisor.add(
                Producer(
                    self.broker,
                    settings.topic,
                    self._stream,
                    rate=settings.rate,
                    lag=self.pipeline.behind,
                )
            )
        if self.api is not None:
            engine = self.instance.rpartition("-")[2]
            self.api.serve(InProcessPort(self, self.logs), store, self.bus, engine, lambda: attach.consoles)
            self.supervisor.add(self.api)
            self._lock.describe(api=self.api.url)
        self.supervisor.add(self._frontend, idle=not settings.with_frontend)
        progress("starting the workers")
        await self.supervisor.start()
        garbage.settle()
        log.info("engine started", broker=self.broker.label, database=self._database.label)

    async def _open_store(self, progress: Callable[[str], None]) -> None:
        await self._database.start(progress)
        self._store = await Store.open(self._database.dsn, read_dsn=self.settings.read_dsn)
        self._triage = TriageDesk(self._store.triage, self.bus)
        await self._triage.start()

    async def _open_broker(self, progress: Callable[[str], None]) -> None:
        await self.broker.start(progress)
        await self.broker.ensure_topic(self.settings.topic, self.settings.partition_count)

    async def stop(self) -> None:
        """Stop the producer first, finish what is in flight, then let go of the servers."""
        log.info("engine stopping")
        await self.supervisor.stop()
        await self._stop_servers()
        garbage.unsettle()
        log.info("engine stopped", transactions=self.bus.transactions, dead_letters=self.bus.dead_letters)

    async def _stop_servers(self) -> None:
        if self.api is not None:
            self.api.release()
        if self._store is not None:
            await self._store.close()
        await asyncio.gather(self.broker.stop(), self._database.stop(), return_exceptions=True)
        self._lock.release()

    async def wait(self) -> int:
        """Wait until asked to quit (0) or until a worker has failed for good (1)."""
        while not self.quitting.is_set():
            if self.supervisor.failed:
                return 1
            try:
                await asyncio.wait_for(self.quitting.wait(), 0.5)
            except TimeoutError:
                continue
        return 0

    def _reach_api(self) -> Reach:
        if self.api is None or (access := self.settings.api_access) is None:
            raise FrontendError("The web frontend needs the HTTP API, which is off: start without --api off.")
        return reach_of(self.api.url, access)

    @property
    def alive(self) -> bool:
        """Whether the pipeline shows signs of life, or is being restarted: waiting for a server counts as living."""
        now = datetime.now(UTC)
        for worker in self.supervisor.statuses:
            if worker.name == self.pipeline.name and worker.state in ("running", "degraded"):
                seen = max(filter(None, (worker.heartbeat_at, worker.since)))
                return now - seen < HUNG_AFTER
        return not self.supervisor.failed

    def _status(self) -> str:
        return msgspec.json.encode(self.snapshot()).decode()

    def snapshot(self) -> Snapshot:
        """The engine now."""
        p50, p95, p99 = self.bus.latency(0.5, 0.95, 0.99)
        return Snapshot(
            at=datetime.now(UTC),
            started_at=self.started_at,
            rate=self.bus.rate,
            lag=self.pipeline.lag,
            latency_p50=p50,
            latency_p95=p95,
            latency_p99=p99,
            writer_queue=self.pipeline.queued,
            transactions=self.bus.transactions,
            flagged=dict(self.bus.flagged),
            dead_letters=self.bus.dead_letters,
            duplicates=self.bus.duplicates,
            late=self.bus.late,
            offset_gaps=self.bus.offset_gaps,
            topic_resets=self.bus.topic_resets,
            last_event_at=self.bus.last_event_at,
            last_stored_at=self.bus.last_stored_at,
            broker=self.broker.label,
            database=self._database.label,
            model_versions=self.models.current.versions,
            workers=self.supervisor.statuses,
            partitions=self.pipeline.partitions,
            quality=self.bus.scoreboard.qualities,
            drift=self.models.drift,
            open_anomalies=self.triage.open_anomalies,
        )


async def _all_or_error(*awaitables: object) -> None:
    """Run side by side; the first error is raised alone, after the others have ended."""
    results = await asyncio.gather(*awaitables, return_exceptions=True)  # type: ignore[call-overload]
    for result in results:
        if isinstance(result, BaseException):
            raise result
