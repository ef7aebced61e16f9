"""All endpoints as one ASGI application."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from services.api import lists, live, overview, problems
from services.api.access import Access
from services.api.endpoint import Endpoint, Sources
from services.api.guard import Guard
from services.store.faults import StoreError

MAX_BODY = 2 * 1024 * 1024

ENDPOINTS: tuple[Endpoint[Any], ...] = (*lists.ENDPOINTS, *overview.ENDPOINTS, *live.ENDPOINTS)


def build(sources: Sources, access: Access, user: str) -> ASGIApp:
    """The API over these sources; `user` is written into the triage log where no token tells who decides."""
    app = Starlette(
        routes=[_route(endpoint, sources) for endpoint in ENDPOINTS],
        exception_handlers={
            problems.Problem: problems.on_problem,
            HTTPException: problems.on_http_error,
            StoreError: problems.on_store_error,
            Exception: problems.on_bug,
        },
        max_body_size=MAX_BODY,
    )
    return Guard(app, access, user)


def _route(endpoint: Endpoint[Any], sources: Sources) -> Route:
    async def respond(request: Request) -> Response:
        return await endpoint.respond(request, sources)

    # An id may have slashes in it.
    path = endpoint.path.replace("_id}", "_id:path}")
    return Route(path, _named(respond, endpoint), methods=[endpoint.method])


def _named(
    respond: Callable[[Request], Awaitable[Response]], endpoint: Endpoint[Any]
) -> Callable[[Request], Awaitable[Response]]:
    respond.__name__ = endpoint.handle.__name__
    return respond
