"""The engine: servers, store and workers of one process."""

import asyncio
import contextlib
import os
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from detectors.compiled import kept
from domain.engine import Snapshot
from domain.verdict import DetectorChoice
from services.api.server import ApiServer
from services.attach.server import Attach
from services.brokers.broker import Broker
from services.console.budgeting import Budgeting
from services.console.bus import Bus
from services.console.in_process import InProcessPort
from services.console.triage import TriageDesk
from services.engine.housekeeping import BrokerWatch, DatabaseWatch, Housekeeping
from services.engine.servers import Progress, Servers
from services.engine.timeline import ChangeWatch
from services.frontend.errors import FrontendError
from services.frontend.reach import Reach, reach_of
from services.frontend.worker import Frontend
from services.models.explain import explain
from services.models.keeper import ModelKeeper
from services.pipeline.consumer import Pipeline
from services.pipeline.keying import Keying
from services.pipeline.rekey import Rekeyer
from services.process import garbage
from services.process.logs import LogRing
from services.process.runtime import RuntimeFolder
from services.process.supervisor import Supervisor
from services.records.mapping import Mapping
from services.sending.simulation import HistoryKeeper, Simulation
from services.settings import Settings
from services.store import precompile
from services.store.faults import StoreError
from services.store.store import Store
from services.version import VERSION

log = structlog.get_logger("engine")

WORKERS_STOP_WITHIN = 8.0
"""Seconds: less than a command has for all of its end, so that servers which were started here are stopped, too."""
HUNG_AFTER = timedelta(seconds=60)
"""Without a heartbeat of the pipeline, which polls several times a second whatever happens to its servers."""


class Engine:
    """Everything that runs. `start` raises UserError when a server cannot be had; later trouble is supervised.

    `simulate` runs the simulator beside it; `logs` keeps lines for consoles. With `browse` the
    web frontend opens a browser.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        detector: DetectorChoice = "both",
        simulate: bool = False,
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
        self._simulate = simulate
        self._simulation: Simulation | None = None
        self._mapping = mapping
        self._servers = Servers(settings)
        self._parts: Parts | None = None
        self._rekeyer: Rekeyer | None = None
        self._rekeying: asyncio.Task[None] | None = None
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
    def broker(self) -> Broker:
        """Where transactions come from."""
        return self._servers.broker

    @property
    def parts(self) -> "Parts":
        """What the engine is made of. Raises RuntimeError before `start`."""
        if self._parts is None:
            raise RuntimeError("the engine has not started")
        return self._parts

    async def start(self, progress: Progress = lambda line: None) -> None:
        """Bring up the servers side by side, then the workers in order."""
        self._servers.lock.acquire()
        try:
            if self.api is not None:
                self.api.reserve()
            store = await self._servers.start(progress)
            if not kept():
                progress("compiling the detectors for this machine")
                await asyncio.to_thread(precompile.main)
            parts = self._parts = await self._make_parts(store)
        except BaseException:
            await self._stop_servers()
            raise
        self._add_workers(parts)
        progress("starting the workers")
        await self.supervisor.start()
        parts.changes.begin(self.snapshot(), VERSION)
        garbage.settle()
        log.info("engine started", broker=self.broker.label, database=self._servers.database.label)

    async def _make_parts(self, store: Store) -> "Parts":
        settings = self.settings
        self.bus.clock.restore(await store.clock())
        budgeting = Budgeting(store.queue, self.bus, settings.budget)
        triage = TriageDesk(store.triage, self.bus)
        await triage.start()
        pipeline = Pipeline(
            broker=self.broker,
            store=store,
            bus=self.bus,
            models=lambda: models.current,
            mapping=self._mapping,
            topic=settings.topic,
            group=settings.group,
            owner=self.instance,
            batch_size=settings.batch_size,
            workers=settings.scorers,
            until_fit=lambda: models.until_fit(),
            isolation=settings.kafka_isolation,
            start_from=settings.start_from,
            keyed=settings.keyed,
            on_rekeyed=self._rekey,
        )
        models = ModelKeeper(
            store,
            self._servers.database.dsn,
            self.bus,
            self._detector,
            settings.policy,
            settings.alert_rates,
            owner=self.instance,
            quiet=pipeline.quiet,
        )
        port = InProcessPort(
            snapshot=self.snapshot,
            bus=self.bus,
            store=store,
            desk=triage,
            models=lambda: models.current,
            explain=lambda transaction_id: explain(store, models.current, transaction_id),
            logs=self.logs,
            control=self.supervisor.control,
            quit=self.quitting.set,
        )
        return Parts(store, budgeting, triage, models, pipeline, port, ChangeWatch(store.timeline, self.instance))

    def _add_workers(self, parts: "Parts") -> None:
        settings, describe = self.settings, self._servers.lock.describe
        # The first, so that it is the last to stop: consoles see the others go.
        attach = Attach(parts.port, RuntimeFolder(settings.data_dir), lambda path: describe(socket=str(path)))
        self.supervisor.add(attach)
        self.supervisor.add(DatabaseWatch(self._servers.database, parts.store))
        self.supervisor.add(BrokerWatch(self.broker))
        self.supervisor.add(parts.models)
        self.supervisor.add(parts.pipeline)
        self.supervisor.add(
            Housekeeping(
                parts.store,
                self.instance,
                self.started_at,
                self.snapshot,
                settings.retention_days,
                parts.keep_up,
                parts.changes,
                self.bus.clock,
            )
        )
        if self._simulate:
            beside = HistoryKeeper(
                stored=parts.store.count,
                newest=self._stream_ended,
                held=parts.models.held,
                until_fit=parts.models.until_fit,
            )
            self._simulation = Simulation(self.broker, settings, lag=parts.pipeline.behind, beside=beside)
            self.supervisor.add(self._simulation)
        if self.api is not None:
            self.api.serve(parts.port, parts.store, self.bus, lambda: attach.consoles)
            self.supervisor.add(self.api)
            describe(api=self.api.url)
        self.supervisor.add(self._frontend, idle=not settings.with_frontend)

    async def _stream_ended(self) -> datetime | None:
        """When the newest event of what was read before happened."""
        return self.bus.clock.reading.at or await self.parts.store.triage.newest_event()

    def _rekey(self, keying: Keying) -> None:
        """The pipeline reads a copy: see that somebody makes it."""
        if self._rekeyer is None:
            self._rekeyer = Rekeyer(
                broker=self.broker,
                store=self.parts.store,
                bus=self.bus,
                keying=keying,
                mapping=self._mapping,
                group=self.settings.group,
                owner=self.instance,
                isolation=self.settings.kafka_isolation,
                start_from=self.settings.start_from,
                until_fit=self.parts.models.until_fit,
            )
            self.supervisor.add(self._rekeyer)
            self._rekeying = asyncio.create_task(self.supervisor.start_worker(self._rekeyer.name))

    async def stop(self) -> None:
        """Stop the producer first, finish what is in flight, then let go of the servers."""
        log.info("engine stopping")
        if self._parts is not None:
            with contextlib.suppress(StoreError, TimeoutError):
                await asyncio.wait_for(self._parts.changes.end(), 2)
        try:
            await asyncio.wait_for(self.supervisor.stop(), WORKERS_STOP_WITHIN)
        except TimeoutError:
            log.error("not all workers stopped in time; what was in flight is repeated at the next start")
        await self._stop_servers()
        garbage.unsettle()
        log.info("engine stopped", transactions=self.bus.transactions, dead_letters=self.bus.dead_letters)

    async def _stop_servers(self) -> None:
        if self.api is not None:
            self.api.release()
        await self._servers.stop()

    async def wait(self) -> int:
        """Wait until asked to quit (0) or until a worker has failed for good (1)."""
        while not self.quitting.is_set():
            if self.supervisor.failed:
                return 1
            try:
                async with asyncio.timeout(0.5):
                    await self.quitting.wait()
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
            if worker.name == Pipeline.name and worker.state in ("running", "degraded"):
                seen = max(filter(None, (worker.heartbeat_at, worker.since)))
                return now - seen < HUNG_AFTER
        return not self.supervisor.failed

    def snapshot(self) -> Snapshot:
        """The engine now."""
        parts = self.parts
        p50, p95, p99 = self.bus.latency(0.5, 0.95, 0.99)
        rekeying = None if self._rekeyer is None else self._rekeyer.figures
        return Snapshot(
            at=datetime.now(UTC),
            started_at=self.started_at,
            rate=self.bus.rate,
            lag=parts.pipeline.lag + (0 if rekeying is None else rekeying.lag),
            latency_p50=p50,
            latency_p95=p95,
            latency_p99=p99,
            writer_queue=parts.pipeline.queued,
            transactions=self.bus.transactions,
            flagged=dict(self.bus.flagged),
            dead_letters=self.bus.dead_letters,
            duplicates=self.bus.duplicates,
            late=self.bus.late,
            offset_gaps=self.bus.offset_gaps,
            topic_resets=self.bus.topic_resets,
            backlog=parts.pipeline.backlog,
            last_event_at=self.bus.last_event_at,
            last_stored_at=self.bus.last_stored_at,
            broker=self.broker.label,
            database=self._servers.database.label,
            model_versions=parts.models.current.versions,
            workers=self.supervisor.statuses,
            partitions=parts.pipeline.partitions,
            quality=self.bus.scoreboard.qualities,
            drift=parts.models.drift,
            open_anomalies=parts.triage.open_anomalies,
            budget=parts.budgeting.budget,
            over_budget=parts.budgeting.over,
            skipped=dict(self.bus.skipped),
            remarks=dict(self.bus.remarks),
            rekeying=rekeying,
            clock=self.bus.clock.reading,
            history=None if self._simulation is None else self._simulation.history,
        )


@dataclass(frozen=True)
class Parts:
    """What an engine is made of once its servers are up."""

    store: Store
    budgeting: Budgeting
    triage: TriageDesk
    models: ModelKeeper
    pipeline: Pipeline
    port: InProcessPort
    changes: ChangeWatch

    async def keep_up(self) -> None:
        """Keep the queue in order, and know what became of its alerts. Raises `faults` errors."""
        await self.budgeting.keep_up()
        await self.triage.keep_up()
