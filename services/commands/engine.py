"""`anomaly-tui status`, `stop` and `restart`: what is asked of an engine that runs, over its socket."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.engine import Snapshot, WorkerAction, WorkerState
from domain.sanitize import sanitize
from services.attach.connection import ATTACH
from services.attach.find import engine_socket
from services.attach.link import EngineError, Link, NotConnected, NotRunning, opened
from services.commands import glance
from services.errors import UserError
from services.process.lock import EngineLock
from services.process.output import while_read
from services.settings import Settings

STOP_WITHIN = 20.0
_CONTROL_WITHIN = 60.0
_WELL: tuple[WorkerState, ...] = ("running", "stopped")
_INKS: dict[WorkerState, str] = {"running": "green", "stopped": "dim", "starting": "yellow", "degraded": "yellow"}
_Answer = TypeVar("_Answer")


def status(settings: Settings, *, as_json: bool) -> int:
    """Show the engine of this data directory.

    Returns 0 where all its workers run or were stopped on purpose, 1 where one is not well. Raises NotRunning, whose
    exit code is 3, where none runs, and NotConnected where it does not answer.
    """

    async def ask(link: Link) -> tuple[int, Snapshot]:
        return link.pid, await link.ask("snapshot", {})

    try:
        pid, snapshot = _ask(settings, ask)
    except NotConnected as error:
        if as_json:
            running = not isinstance(error, NotRunning)
            _write({"running": running, "well": False, "problem": str(error)})
        raise
    well = _well(snapshot)
    facts = {"running": True, "well": well, "pid": pid, **EngineLock(settings.data_dir).holder()}
    if as_json:
        _write(facts | msgspec.structs.asdict(snapshot))
    else:
        _show(facts, snapshot)
    return 0 if well else 1


@while_read
def glances(settings: Settings, template: str | None, *, follow: bool) -> int:
    """Print the engine in one line, with `follow` once a second until Ctrl-C or until it ends.

    Returns as `status` does. Raises UserError for a template that cannot be filled, and as `status` does.
    """
    chosen = glance.DEFAULT if template is None else template
    glance.check(chosen)
    out = Console().file

    async def ask(link: Link) -> int:
        while True:
            snapshot: Snapshot = await link.ask("snapshot", {})
            well = _well(snapshot)
            out.write(glance.glance(chosen, snapshot, well=well) + "\n")
            out.flush()
            if not follow:
                return 0 if well else 1
            await asyncio.sleep(1)

    return _ask(settings, ask)


def _well(snapshot: Snapshot) -> bool:
    return all(worker.state in _WELL for worker in snapshot.workers if worker.essential)


def stop(settings: Settings) -> int:
    """Ask the engine to end, and wait until it has: what is in flight is stored first. Raises UserError."""

    async def ask(link: Link) -> int:
        await link.ask("quit", {})
        return link.pid

    pid = _ask(settings, ask)
    deadline = time.monotonic() + STOP_WITHIN
    lock = EngineLock(settings.data_dir)
    while lock.is_taken():
        if time.monotonic() > deadline:
            raise UserError(f"The engine (process {pid}) has not ended within {STOP_WITHIN:.0f} s: kill {pid} ends it.")
        time.sleep(0.1)
    Console().print(f"The engine on {settings.data_dir} has stopped.", soft_wrap=True, markup=False)
    return 0


def restart(settings: Settings, worker: str) -> int:
    """Restart one worker of the engine. Raises UserError for one that it does not have, or that did not come back."""
    action: WorkerAction = "restart"

    async def ask(link: Link) -> Snapshot:
        found: Snapshot = await link.ask("snapshot", {})
        if worker in {each.name for each in found.workers}:
            await link.ask("control", {"worker": worker, "action": action}, _CONTROL_WITHIN)
            found = await link.ask("snapshot", {})
        return found

    try:
        snapshot = _ask(settings, ask)
    except NotConnected:
        if worker != ATTACH:
            raise
        # It has ended the connection that asked for it.
        snapshot = _when_back(settings)
    now = next((each for each in snapshot.workers if each.name == worker), None)
    if now is None:
        names = ", ".join(each.name for each in snapshot.workers)
        raise UserError(f"This engine has no worker {worker}; it has {names}.")
    if now.state not in ("running", "starting"):
        raise UserError(f"{worker} is {now.state}: {now.last_error or now.detail}")
    Console().print(f"{worker} is {now.state} again.", markup=False)
    return 0


def _when_back(settings: Settings) -> Snapshot:
    """The engine once it can be asked again. Raises NotConnected where that takes long."""

    async def ask(link: Link) -> Snapshot:
        found: Snapshot = await link.ask("snapshot", {})
        return found

    deadline = time.monotonic() + STOP_WITHIN
    while True:
        try:
            return _ask(settings, ask)
        except NotConnected:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def _ask(settings: Settings, question: Callable[[Link], Awaitable[_Answer]]) -> _Answer:
    async def work() -> _Answer:
        async with opened(engine_socket(settings.data_dir)) as link:
            return await question(link)

    try:
        return asyncio.run(work())
    except EngineError as error:
        raise UserError(f"The engine cannot do that: {error}") from None


def _write(facts: dict[str, Any]) -> None:
    Console().file.write(msgspec.json.encode(facts).decode() + "\n")


def _show(facts: dict[str, Any], snapshot: Snapshot) -> None:
    console = Console()
    flagged = ", ".join(f"{name} {count:,}" for name, count in sorted(snapshot.flagged.items())) or "none"
    engine = Table(show_header=False, box=None, pad_edge=False)
    for name, value in (
        ("engine", f"process {facts['pid']}, up {_duration(snapshot.started_at, snapshot.at)}"),
        ("broker", snapshot.broker),
        ("database", snapshot.database),
        ("api", str(facts["api"]) if facts.get("api") else ""),
        ("rate", f"{snapshot.rate:,.1f} transactions/s, {snapshot.transactions:,} since the start"),
        ("lag", f"{snapshot.lag:,} record{'' if snapshot.lag == 1 else 's'}"),
        ("newest stored", _age(snapshot)),
        ("clock", snapshot.clock.sentence),
        ("first start", snapshot.history.sentence if snapshot.history else ""),
        ("catching up", snapshot.backlog.sentence if snapshot.backlog else ""),
        ("latency", f"{snapshot.latency_p50 * 1e3:.0f} ms median, {snapshot.latency_p95 * 1e3:.0f} ms p95"),
        ("flagged", f"{flagged} since the start"),
        ("open", "not counted yet" if snapshot.open_anomalies is None else f"{snapshot.open_anomalies:,} anomalies"),
        ("over budget", snapshot.budget_says),
        ("dead letters", f"{snapshot.dead_letters:,}"),
        ("offset gaps", f"{snapshot.offset_gaps:,}" if snapshot.offset_gaps else ""),
        ("topic resets", f"{snapshot.topic_resets:,}" if snapshot.topic_resets else ""),
    ):
        if value:
            engine.add_row(Text(name, style="bold"), Text(sanitize(value)))
    workers = Table("worker", "state", "since", "restarts", "detail", box=None, pad_edge=False, header_style="bold")
    for worker in snapshot.workers:
        workers.add_row(
            Text(worker.name),
            Text(worker.state, style=_INKS.get(worker.state, "red")),
            _duration(worker.since, snapshot.at) if worker.since else "",
            str(worker.restarts),
            Text(sanitize(worker.detail or worker.last_error or "")),
        )
    console.print(engine, "", workers, sep="\n")


def _age(snapshot: Snapshot) -> str:
    if snapshot.last_stored_at is None:
        return "nothing since the start"
    return f"{_duration(snapshot.last_stored_at, snapshot.at)} ago"


def _duration(since: datetime, now: datetime) -> str:
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit, smaller in ((86_400, "d", 3_600), (3_600, "h", 60), (60, "m", 1)):
        if seconds >= size:
            return f"{seconds // size}{unit}{seconds % size // smaller:02}"
    return f"{seconds}s"


def offer(settings: Settings) -> str:
    """What to ask somebody who starts a console where an engine runs already; empty where none does."""
    engine = EngineLock(settings.data_dir).holder()
    if "socket" not in engine:
        return ""
    return f"An engine already runs on {settings.data_dir} (process {engine['pid']}). Attach to it?"
