"""`anomaly-tui doctor`: what is there, what is wrong, and what to type.

Where an engine runs, its servers are the ones looked at, and none is started.
"""

import asyncio
import locale
import os
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.engine import Snapshot, WorkerStatus
from domain.sanitize import sanitize
from services.attach.find import engine_socket
from services.attach.link import EngineError, opened
from services.brokers.factory import make_broker
from services.brokers.java import java
from services.errors import UserError
from services.frontend.errors import FrontendError
from services.frontend.node import find_node
from services.process.lock import EngineLock
from services.settings import Settings
from services.store.database import make_database
from services.store.tuning import advice, too_low

_API_PORT, _FRONTEND_PORT, _KAFKA_PORT = 8787, 3000, 9092


class Finding(NamedTuple):
    """One thing looked at: `bad` stops what was asked for, `warn` only costs comfort or an optional part."""

    subject: str
    state: Literal["ok", "warn", "bad"]
    text: str
    advice: str = ""


def examine(settings: Settings) -> int:
    """Look at everything and print one table. Exit code 1 when something is bad."""
    findings = asyncio.run(_look(settings))
    table = Table("", "what", "found", "what to do", box=None, pad_edge=False, header_style="bold")
    marks = {"ok": Text("✓ ok", "green"), "warn": Text("! note", "yellow"), "bad": Text("✗ bad", "bold red")}
    for finding in findings:
        table.add_row(marks[finding.state], finding.subject, Text(finding.text), Text(finding.advice))
    Console().print(table)
    return 1 if any(finding.state == "bad" for finding in findings) else 0


async def _look(settings: Settings) -> list[Finding]:
    holder = EngineLock(settings.data_dir).holder()
    engine = None if "command" in holder else holder.get("pid")
    servers = await (_own_servers(settings) if engine is None else _engine(settings, engine))
    api = urlsplit(str(holder.get("api", ""))).port or _API_PORT
    ports = [(api, "HTTP API"), (_FRONTEND_PORT, "web frontend")]
    if settings.kafka == "local":
        ports.append((_KAFKA_PORT, "local Kafka"))
    taken = set() if engine is None else _listening(engine)
    return [
        _python(),
        _data_directory(settings),
        *servers,
        _java_runtime(settings),
        _node(),
        *(_port(*port, by_engine=port[0] in taken) for port in ports),
        _terminal(),
    ]


async def _own_servers(settings: Settings) -> list[Finding]:
    shown: dict[str, str] = {}
    database = await _try("PostgreSQL", lambda: _postgresql(settings, shown))
    low = too_low(shown) if settings.dsn else []
    if low:
        database = Finding(database.subject, "warn", f"{database.text}; {', '.join(low)}", advice())
    return [database, await _try("Kafka", lambda: _kafka(settings))]


async def _engine(settings: Settings, pid: int) -> list[Finding]:
    """The engine that runs, and its servers as it sees them."""
    if "socket" not in EngineLock(settings.data_dir).holder():
        return [Finding("engine", "warn", f"process {pid}, which is starting", "ask again in a moment")]
    try:
        async with opened(engine_socket(settings.data_dir)) as link:
            snapshot: Snapshot = await link.ask("snapshot", {})
    except (UserError, EngineError) as error:
        return [Finding("engine", "bad", f"process {pid}: {error}", "anomaly-tui status")]
    workers = {worker.name: worker for worker in snapshot.workers}
    unwell = [
        f"{worker.name} is {worker.state}"
        for worker in snapshot.workers
        if worker.essential and worker.state not in ("running", "stopped")
    ]
    text = ", ".join((f"process {pid}, runs", *unwell))
    return [
        Finding("engine", "bad" if unwell else "ok", text, "anomaly-tui status tells more" if unwell else ""),
        _server("PostgreSQL", snapshot.database, workers.get("database")),
        _server("Kafka", snapshot.broker, workers.get("broker")),
    ]


def _server(subject: str, label: str, watch: WorkerStatus | None) -> Finding:
    if watch is not None and watch.state == "running":
        return Finding(subject, "ok", f"the engine's: {sanitize(label)}")
    detail = "nobody watches it" if watch is None else watch.last_error or watch.detail or watch.state
    return Finding(subject, "bad", f"the engine's: {sanitize(label)}: {sanitize(detail)}", "anomaly-tui status")


def _listening(pid: int) -> set[int]:
    """The TCP ports of a process and those it started, as far as the system tells us."""
    try:
        engine = psutil.Process(pid)
        return {
            connection.laddr.port
            for process in (engine, *engine.children(recursive=True))
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
    except psutil.Error:
        return set()


async def _try(subject: str, look: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(subject, "ok", await look())
    except UserError as error:
        why, _, advice = str(error).partition(". ")
        return Finding(subject, "bad", why, advice)


def _python() -> Finding:
    text = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return Finding("Python", "ok", text)


def _data_directory(settings: Settings) -> Finding:
    folder = settings.data_dir
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if os.access(existing, os.W_OK):
        free = shutil.disk_usage(existing).free / 2**30
        state: Literal["ok", "warn"] = "ok" if free > 2 else "warn"
        return Finding("data directory", state, f"{folder}, {free:.0f} GiB free", "" if free > 2 else "make room")
    return Finding("data directory", "bad", f"{folder} cannot be written", "choose another with --data-dir")


async def _postgresql(settings: Settings, shown: dict[str, str]) -> str:
    """Where it is and its version; what it is set to goes to `shown`."""
    import asyncpg

    from services.store.pools import unreachable

    database = make_database(settings.dsn, settings.data_dir)
    await database.start(lambda line: None)
    try:
        connection = await asyncpg.connect(database.dsn, database="postgres", timeout=10)
        version = await connection.fetchval("SHOW server_version")
        for name in ("shared_buffers", "max_wal_size"):
            shown[name] = await connection.fetchval(f"SHOW {name}")
        await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as error:
        raise unreachable(database.dsn, error) from error
    finally:
        await database.stop()
    return f"{database.label}, version {version}"


async def _kafka(settings: Settings) -> str:
    broker = make_broker(
        settings.kafka,
        data_dir=settings.data_dir,
        cache_dir=settings.cache_dir,
        kafka_home=settings.kafka_home,
        security=settings.security,
    )
    try:
        await broker.start(lambda line: None)
        return broker.label
    finally:
        await broker.stop()


def _java_runtime(settings: Settings) -> Finding:
    try:
        found = java()
    except UserError as error:
        needed = settings.kafka == "local"
        return Finding("Java", "bad" if needed else "warn", "not found", str(error) if needed else "for --kafka local")
    if settings.kafka_home is None and shutil.which("mvn") is None:
        return Finding("Java", "warn", f"{found}, but no Maven", "install Maven or use --kafka-home, for --kafka local")
    return Finding("Java", "ok", str(found))


def _node() -> Finding:
    try:
        found = find_node()
    except FrontendError as error:
        why, _, advice = str(error).partition(": ")
        return Finding("Node.js", "warn", why, advice)
    if found.npm is None:
        return Finding("Node.js", "warn", f"{found.executable}, but no npm", "install npm, for the web frontend")
    return Finding("Node.js", "ok", f"{found.version}, {found.executable}")


def _port(port: int, purpose: str, *, by_engine: bool) -> Finding:
    if by_engine:
        return Finding(f"port {port}", "ok", "the running engine's")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return Finding(f"port {port}", "warn", "taken", f"the {purpose} will take the next free one")
    return Finding(f"port {port}", "ok", f"free for the {purpose}")


def _terminal() -> Finding:
    term = os.environ.get("TERM", "")
    encoding = locale.getpreferredencoding(False)
    width, height = shutil.get_terminal_size()
    text = f"TERM={term or '(none)'}, {width}x{height}, {encoding}"
    if "UTF" not in encoding.upper():
        return Finding("terminal", "warn", text, "export LC_ALL=C.UTF-8")
    if term in ("", "dumb"):
        return Finding("terminal", "warn", text, "export TERM=xterm-256color if it is one that draws")
    if width < 80 or height < 24:
        return Finding("terminal", "warn", text, "80x24 shows everything")
    return Finding("terminal", "ok", text)
