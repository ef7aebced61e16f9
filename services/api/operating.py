"""What machines ask that watch over this one: probes, metrics, and the description of the API itself."""

from typing import Annotated

import msgspec
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import PlainTextResponse, Response

from domain.engine import WorkerStatus
from services.api.endpoint import Endpoint, Sources
from services.api.overview import NoQuestion, condition


async def livez(sources: Sources, asked: NoQuestion, by: str) -> Response:
    """200 while the process answers."""
    return PlainTextResponse("ok\n")


class ReadyQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`verbose`, with or without a value, lists the parts."""

    verbose: Annotated[str, msgspec.Meta(max_length=10)] | msgspec.UnsetType = msgspec.UNSET


async def readyz(sources: Sources, asked: ReadyQuestion, by: str) -> Response:
    """200 when every part that the engine needs runs, else 503."""
    snapshot = sources.port.snapshot()
    word = condition(snapshot)
    needed = (worker for worker in snapshot.workers if worker.essential)
    parts = "".join(map(_line, needed)) if asked.verbose is not msgspec.UNSET else ""
    return PlainTextResponse(f"{parts}{word}\n", 200 if word == "ok" else 503)


def _line(worker: WorkerStatus) -> str:
    return f"[{'+' if worker.state == 'running' else '-'}] {worker.name} {worker.state}\n"


async def metrics(sources: Sources, asked: NoQuestion, by: str) -> Response:
    """Everything that is counted, for Prometheus."""
    return Response(sources.metrics.text(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


ENDPOINTS = (
    Endpoint("GET", "/livez", "Whether the process answers", NoQuestion, None, livez, media_types=("text/plain",)),
    Endpoint("GET", "/readyz", "Whether every part runs", ReadyQuestion, None, readyz, media_types=("text/plain",)),
    Endpoint("GET", "/metrics", "For Prometheus", NoQuestion, None, metrics, media_types=("text/plain",)),
)
