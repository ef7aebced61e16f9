"""What the commands do, apart from parsing their options. Each returns its exit code."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.prompt import Confirm
from rich.table import Table
from rich.text import Text

from services.errors import UserError
from services.process.logs import LogRing
from services.progress import progress
from services.records.mapping import Mapping
from services.settings import Settings

log = structlog.get_logger("command")

SHUTDOWN_WITHIN = 15.0


async def interruptible(work: Coroutine[Any, Any, int], quitting: asyncio.Event) -> int:
    """Run `work`; the first SIGINT, SIGTERM or SIGHUP sets `quitting`, a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if quitting.is_set():
            # The handlers are gone after this, so the next signal does what signals do.
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
        quitting.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, ask)
    try:
        return await work
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_headless(
    settings: Settings, detector: Any, *, simulate: bool, mapping: Mapping | None, logs: LogRing | None = None
) -> int:
    """The engine without a console, until a signal or `anomaly-tui stop`. Exit code 1 when a worker failed for good.

    The service manager, where there is one, is told when it is ready and that it lives.
    """
    from services.engine.engine import Engine
    from services.process.systemd import ServiceManager
    from services.sending.simulation import live_stream

    manager = ServiceManager()

    async def work() -> int:
        engine = Engine(
            settings,
            detector=detector,
            stream=(lambda: live_stream(settings)) if simulate else None,
            mapping=mapping,
            logs=logs,
        )

        def starting(line: str) -> None:
            log.info(line)
            manager.say(f"STATUS={line}")

        async def run() -> int:
            await engine.start(starting)
            manager.say("READY=1", f"STATUS={engine.broker.label}")
            watching = asyncio.create_task(manager.keep_watching(lambda: engine.alive))
            try:
                return await engine.wait()
            finally:
                manager.say("STOPPING=1", "STATUS=storing what is in flight")
                watching.cancel()
                await _in_time(engine.stop())

        return await interruptible(run(), engine.quitting)

    return asyncio.run(work())


async def _in_time(stopping: Coroutine[Any, Any, None]) -> None:
    try:
        await asyncio.wait_for(stopping, SHUTDOWN_WITHIN)
    except TimeoutError:
        log.error("shutdown took too long; what was in flight is repeated at the next start")


def replay(
    settings: Settings,
    path: Path,
    *,
    speed: float | None,
    mapping: Mapping | None,
    detector: Any = "both",
    produce_only: bool = False,
) -> int:
    """Send a file through Kafka, scoring it here unless an engine already does.

    Exit code 1 when rows could not be sent as transactions; they are named on stderr.
    """
    from services.process.lock import EngineLock
    from services.sending.file import EngineConsumer, StoredConsumer, running_broker, send_file

    async def with_engine() -> int:
        from services.engine.engine import Engine

        engine = Engine(settings.model_copy(update={"api": "off"}), detector=detector)
        console = Console(stderr=True)

        async def run() -> int:
            with console.status("starting"):
                await engine.start()
            try:
                sending = asyncio.create_task(
                    send_file(
                        engine.broker, settings, path, speed=speed, mapping=mapping, consumer=EngineConsumer(engine)
                    )
                )
                watching = asyncio.create_task(engine.wait())
                await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    watching.cancel()
                    return sending.result()
                sending.cancel()
                if not watching.result():
                    return 130
                broken = next(w for w in engine.supervisor.statuses if w.state == "failed")
                raise UserError(f"The {broken.name} failed for good: {broken.last_error}")
            finally:
                await _in_time(engine.stop())

        return await interruptible(run(), engine.quitting)

    async def beside() -> int:
        broker = running_broker(settings)
        await broker.start(lambda line: None)
        async with open_store(settings) as store:
            consumer = StoredConsumer(store, broker.cluster_id, settings.topic)
            return await send_file(broker, settings, path, speed=speed, mapping=mapping, consumer=consumer)

    beside_engine = produce_only or EngineLock(settings.data_dir).taken
    return asyncio.run(beside() if beside_engine else with_engine())


def produce(settings: Settings) -> int:
    """The simulator alone, to a broker that others can reach, until a signal."""
    from services.process.supervisor import Supervisor
    from services.sending.file import running_broker
    from services.sending.producer import Producer
    from services.sending.simulation import live_stream

    async def work() -> int:
        broker = running_broker(settings)
        await broker.start(lambda line: log.info(line))
        await broker.ensure_topic(settings.topic, settings.partition_count)
        supervisor, quitting = Supervisor(), asyncio.Event()
        supervisor.add(
            Producer(broker, settings.topic, lambda: live_stream(settings), rate=settings.rate, lag=lambda ends: 0)
        )
        log.info("producing", broker=broker.label, topic=settings.topic, rate=settings.rate)

        async def run() -> int:
            await supervisor.start()
            while not quitting.is_set() and not supervisor.failed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(quitting.wait(), 0.5)
            code = 1 if supervisor.failed else 0
            await _in_time(supervisor.stop())
            return code

        return await interruptible(run(), quitting)

    return asyncio.run(work())


@contextlib.asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Any]:
    """The store of the configured database, beside whatever else uses it."""
    from services.store.database import make_database
    from services.store.store import Store

    database = make_database(settings.dsn, settings.data_dir)
    await database.start(lambda line: None)
    try:
        store = await Store.open(database.dsn, read_dsn=settings.read_dsn, connections=2)
        try:
            yield store
        finally:
            await store.close()
    finally:
        await database.stop()


def init_db(settings: Settings) -> int:
    """Create the database and its schema."""
    from services.store.database import make_database

    async def work() -> int:
        async with open_store(settings) as store:
            await store.ping()
        return 0

    code = asyncio.run(work())
    Console().print(f"The schema is in place: {make_database(settings.dsn, settings.data_dir).label}.")
    return code


def init_user_profiles(settings: Settings) -> int:
    """Build every profile anew from stored history: the same as they were, to the bit."""
    from services.models.profiles import rebuild
    from services.process.lock import EngineLock

    async def work() -> int:
        lock = EngineLock(settings.data_dir)
        lock.acquire()
        try:
            async with open_store(settings) as store:
                with progress(Console(stderr=True)) as bar:
                    task = bar.add_task("profiles", total=await store.count())
                    built = await rebuild(store, settings.alert_rates, lambda rows: bar.advance(task, rows))
        finally:
            lock.release()
        console = Console()
        console.print(f"{built.profiles:,} profiles from {built.transactions:,} transactions.")
        if built.other_model:
            console.print(
                f"{built.other_model:,} of them have no enhanced verdict, or by a model that is gone: "
                "the one in use stood in."
            )
        return 0

    return asyncio.run(work())


def stats(settings: Settings, *, as_json: bool) -> int:
    """Totals from PostgreSQL and, where an engine runs, its rate, lag and workers."""
    import msgspec

    async def collect() -> dict[str, Any]:
        async with open_store(settings) as store:
            totals: dict[str, Any] = await store.totals()
            engines = await store.live_engines()
            progress = await store.progress()
        return {
            **totals,
            "lag": sum(engine["lag"] for engine in engines) if engines else None,
            "rate": sum(engine["rate"] for engine in engines),
            "workers": [
                {"instance": engine["instance"], **worker} for engine in engines for worker in engine["workers"]
            ],
            "engines": len(engines),
            "topic_resets": sum(max(0, partition["incarnation"] - 1) for partition in progress),
            "progress": progress,
        }

    found = asyncio.run(collect())
    console = Console()
    if as_json:
        console.file.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return 0
    table = Table(title="anomaly-tui", show_header=False)
    table.add_row("transactions", f"{found['transactions']:,}")
    for name, count in sorted(found["verdicts"].items()):
        table.add_row(f"verdicts, {name}", f"{count:,} ({found['flagged'][name]:,} flagged)")
    table.add_row("dead letters", f"{found['dead_letters']:,}")
    if found["topic_resets"]:
        said = f"{found['topic_resets']:,} partitions begun anew: their topic was made again or shortened"
        table.add_row("topic resets", Text(said, style="red"))
    running = f"{found['engines']}" if found["engines"] else "none (start one with `anomaly-tui`)"
    table.add_row("running engines", running)
    if found["engines"]:
        table.add_row("rate", f"{found['rate']:.0f} transactions/s")
        table.add_row("lag", f"{found['lag']:,} records")
        for worker in found["workers"]:
            table.add_row(f"worker {worker['name']}", f"{worker['state']}: {worker['detail']}")
    console.print(table)
    return 0


def reset(settings: Settings, *, assume_yes: bool) -> int:
    """Delete everything that was stored, after asking."""
    from services.process.lock import EngineLock
    from services.store.database import make_database

    async def work() -> int:
        lock = EngineLock(settings.data_dir)
        lock.acquire()
        try:
            async with open_store(settings) as store:
                count = await store.count()
                label = make_database(settings.dsn, settings.data_dir).label
                question = f"Delete {count:,} transactions, their verdicts and triage, profiles and models in {label}?"
                if not assume_yes and not Confirm.ask(question, default=False):
                    Console().print("Nothing was deleted.")
                    return 1
                await store.reset()
                Console().print(f"Deleted {count:,} transactions and all that belonged to them.")
        finally:
            lock.release()
        return 0

    return asyncio.run(work())


def score(settings: Settings, path: Path, *, detector: Any, output: Path, mapping: Mapping | None) -> int:
    """The detectors over a file, without servers."""
    from services.models import offline

    return offline.score(settings, path, detector=detector, output=output, mapping=mapping)
