"""The engine for Prometheus, read at the moment it is asked for. No label has a user, a merchant or an id in it."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from domain.engine import Snapshot
from services.api.stream import Hub, broker_up, database_up
from services.console.bus import Bus
from services.console.port import ConsolePort

PREFIX = "anomaly_tui"
_REQUEST_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """A registry of its own, so that no other metric of the process is shown."""

    def __init__(self, port: ConsolePort, bus: Bus, hub: Hub, consoles: Callable[[], int], version: str) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_EngineCollector(port, bus, hub, consoles, version))
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            f"{PREFIX}_http_requests",
            "Answers of the API, streams when they end.",
            ("path", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{PREFIX}_http_request_seconds",
            "From a request to the beginning of its answer.",
            ("path",),
            buckets=_REQUEST_BOUNDS,
            registry=self._registry,
        )

    def answered(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answer; `path` is the endpoint's, without the ids in it."""
        self._requests.labels(path, method, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        return generate_latest(self._registry)


class _EngineCollector(Collector):
    def __init__(self, port: ConsolePort, bus: Bus, hub: Hub, consoles: Callable[[], int], version: str) -> None:
        self._port = port
        self._bus = bus
        self._hub = hub
        self._consoles = consoles
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Every metric of the engine, from one snapshot."""
        snapshot = self._port.snapshot()
        yield InfoMetricFamily(f"{PREFIX}_build", "The program.", {"version": self._version})
        yield from _throughput(snapshot, self._bus)
        yield from _detection(snapshot, self._bus)
        yield from _parts(snapshot)
        yield _gauge("attached_consoles", "Consoles that are attached to the engine.", self._consoles())
        yield _gauge("stream_clients", "Clients that read the live stream.", self._hub.clients)
        yield _counter("stream_missed_rows", "Rows that clients of the stream were too slow for.", self._hub.missed)


def _throughput(snapshot: Snapshot, bus: Bus) -> Iterator[Metric]:
    yield _counter("transactions", "Committed transactions.", snapshot.transactions)
    yield _gauge("transactions_per_second", "Committed transactions per second, over 5 s.", snapshot.rate)
    yield HistogramMetricFamily(
        f"{PREFIX}_latency_seconds",
        "From the record's Kafka timestamp to its commit.",
        buckets=[("+Inf" if end == float("inf") else str(end), count) for end, count in bus.latencies.cumulative],
        sum_value=bus.latencies.sum,
    )
    yield _counter("dead_letters", "Records that could not become transactions.", snapshot.dead_letters)
    yield _counter("duplicates", "Transactions that were sent again.", snapshot.duplicates)
    skipped = _counter("skipped_records", "Records that stand for no transaction.", labels=("kind",))
    for kind, count in snapshot.skipped.items():
        skipped.add_metric((kind,), count)
    yield skipped
    yield _counter("late", "Transactions older than those before them.", snapshot.late)
    yield _counter("offset_gaps", "Records that Kafka lost before they were read.", snapshot.offset_gaps)
    yield _counter(
        "topic_resets",
        "Partitions read again from the beginning: their topic was created again.",
        snapshot.topic_resets,
    )
    yield _gauge("queued_records", "Records waiting to be scored.", snapshot.writer_queue)
    lag = _gauge("lag_records", "Records in Kafka that are not stored yet.", labels=("partition",))
    offset = _gauge("next_offset", "The offset a partition is read up to.", labels=("partition",))
    running = _gauge("partition_running", "Whether a partition is being scored.", labels=("partition",))
    for status in snapshot.partitions:
        labels = (str(status.partition),)
        if status.lag >= 0:
            lag.add_metric(labels, status.lag)
        offset.add_metric(labels, status.next_offset)
        running.add_metric(labels, status.state == "running")
    yield from (lag, offset, running)
    if snapshot.last_stored_at is not None:
        yield _gauge(
            "last_stored_timestamp_seconds", "When the last batch was committed.", snapshot.last_stored_at.timestamp()
        )


def _detection(snapshot: Snapshot, bus: Bus) -> Iterator[Metric]:
    verdicts = _counter("verdicts", "Verdicts.", labels=("detector", "severity"))
    for (detector, severity), count in sorted(bus.verdicts.items()):
        verdicts.add_metric((detector, severity), count)
    flagged = _counter("flagged", "Verdicts that flagged a transaction.", labels=("detector",))
    model = InfoMetricFamily(f"{PREFIX}_model", "The models in use.", labels=("detector",))
    for name, version in snapshot.model_versions.items():
        flagged.add_metric((name,), snapshot.flagged.get(name, 0))
        model.add_metric((name,), {"version": version})
    drift = _gauge(
        "drift_psi",
        "How far a feature has moved from what its detector was fitted on: population stability index.",
        labels=("detector", "feature"),
    )
    for moved in snapshot.drift:
        drift.add_metric((moved.detector, moved.feature), moved.psi)
    precision = _gauge("precision_ratio", "Share of flagged that ground truth calls anomalous.", labels=("detector",))
    recall = _gauge("recall_ratio", "Share of anomalous that was flagged.", labels=("detector",))
    for quality in snapshot.quality:
        if quality.precision is not None:
            precision.add_metric((quality.detector,), quality.precision)
        if quality.recall is not None:
            recall.add_metric((quality.detector,), quality.recall)
    yield from (verdicts, flagged, model, drift, precision, recall)
    if snapshot.open_anomalies is not None:
        yield _gauge("open_anomalies", "Anomalies that nobody has decided on.", snapshot.open_anomalies)
    if snapshot.over_budget is not None:
        yield _gauge("over_budget", "Anomalies that the budget of their day holds back.", snapshot.over_budget)


def _parts(snapshot: Snapshot) -> Iterator[Metric]:
    running = _gauge("worker_running", "Whether a worker that the engine needs runs undisturbed.", labels=("worker",))
    since = _gauge("worker_since_timestamp_seconds", "Since when a worker is in its state.", labels=("worker", "state"))
    restarts = _counter("worker_restarts", "Restarts after a crash.", labels=("worker",))
    for worker in snapshot.workers:
        if worker.essential:
            running.add_metric((worker.name,), worker.state == "running")
        if worker.since is not None:
            since.add_metric((worker.name, worker.state), worker.since.timestamp())
        restarts.add_metric((worker.name,), worker.restarts)
    yield from (running, since, restarts)
    yield _gauge("broker_up", "Whether Kafka answered when it was asked last.", broker_up(snapshot))
    yield _gauge("database_up", "Whether PostgreSQL answered when it was asked last.", database_up(snapshot))
    yield _gauge("started_timestamp_seconds", "When the engine started.", snapshot.started_at.timestamp())


def _gauge(name: str, meaning: str, value: float | None = None, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", meaning, value, labels or None)


def _counter(name: str, meaning: str, value: float | None = None, labels: tuple[str, ...] = ()) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", meaning, value, labels or None)
