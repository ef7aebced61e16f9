"""The live stream's endpoint."""

from typing import Annotated

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from domain.filters import Filter
from services.api.client import Of
from services.api.endpoint import Endpoint, Sources, filter_of
from services.api.lists import FilterText
from services.api.problems import Problem
from services.api.stream import MAX_CLIENTS, Hub
from services.console.reader import Mark, mark_of


class StreamQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows, and from where on: `after` is an event's id, or `after` of a page. The header Last-Event-ID wins."""

    q: FilterText = ""
    of: Of = "transactions"
    after: Annotated[str, msgspec.Meta(max_length=100)] = ""


class EventStream(StreamingResponse):
    """Server-sent events for one client, which the hub knows as long as the connection lasts."""

    def __init__(self, hub: Hub, of: Of, filter: Filter, after: Mark | None) -> None:
        super().__init__((), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._hub = hub
        self._asked = of, filter, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Join, send, leave."""
        client = self._hub.join(*self._asked)
        self.body_iterator = client.events()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._hub.leave(client)


async def stream(sources: Sources, asked: StreamQuestion, by: str) -> EventStream:
    """New rows as they are stored, decisions as they are taken, and a status each second."""
    if sources.hub.clients >= MAX_CLIENTS:
        raise Problem(503, f"{MAX_CLIENTS} streams are open, the most there may be", headers={"Retry-After": "5"})
    try:
        after = mark_of(asked.after) if asked.after else None
    except ValueError as error:
        raise Problem(422, "after: this is no id of an event") from error
    return EventStream(sources.hub, asked.of, filter_of(sources, asked.q), after)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/stream",
        "New rows and decisions, as server-sent events",
        StreamQuestion,
        None,
        stream,
        problems=(503,),
        media_types=("text/event-stream",),
        headers={"last-event-id": "after"},
    ),
)
