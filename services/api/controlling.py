"""Workers over HTTP: started, stopped and restarted by whoever may decide on transactions."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import structlog

from domain.engine import WorkerAction, WorkerStatus
from services.api.endpoint import Endpoint, Sources
from services.api.problems import Problem

log = structlog.get_logger("api")

API = "api"
"""The worker that answers these questions."""

_controlling: set[asyncio.Task[None]] = set()


class WorkerQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do with one worker of `/api/health`."""

    worker: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    action: WorkerAction


class Controlled(msgspec.Struct, frozen=True, kw_only=True):
    """The worker as it is now."""

    at: datetime
    worker: WorkerStatus


async def control(sources: Sources, asked: WorkerQuestion, by: str) -> Controlled:
    """Start, stop or restart a worker; it is answered when that is done, for the API itself before it is."""
    if asked.worker not in {worker.name for worker in sources.port.snapshot().workers}:
        raise Problem(422, f"worker: there is no {asked.worker}; /api/health names them")
    if asked.worker == API and asked.action == "stop":
        raise Problem(422, "worker: nobody could start it again over HTTP: restart it, or stop it from a console")
    log.info("worker controlled", worker=asked.worker, action=asked.action, by=by)
    # To the end, also where the caller goes away, or is cut off by it.
    controlling = asyncio.create_task(sources.port.control(asked.worker, asked.action))
    _controlling.add(controlling)
    controlling.add_done_callback(_controlling.discard)
    if asked.worker != API:
        await asyncio.shield(controlling)
    workers = {worker.name: worker for worker in sources.port.snapshot().workers}
    return Controlled(at=datetime.now(UTC), worker=workers[asked.worker])


ENDPOINTS = (Endpoint("POST", "/api/workers", "Start, stop or restart a worker", WorkerQuestion, Controlled, control),)
