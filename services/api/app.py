"""All endpoints as one ASGI application."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from services.access import Access
from services.api import controlling, deciding, download, filters, lists, live, operating, overview, problems, timeline
from services.api.endpoint import Endpoint, Sources
from services.api.guard import Guard
from services.api.openapi import document
from services.store.faults import SchemaMismatch, StoreError

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    *lists.ENDPOINTS,
    *overview.ENDPOINTS,
    *live.ENDPOINTS,
    *deciding.ENDPOINTS,
    *download.ENDPOINTS,
    *filters.ENDPOINTS,
    *operating.ENDPOINTS,
    *timeline.ENDPOINTS,
    *controlling.ENDPOINTS,
)


class _IdentConvertor(StringConvertor):
    """An id in a path: it may have slashes and even line breaks in it."""

    regex = "(?s:.+)"


register_url_convertor("ident", _IdentConvertor())


async def describe(sources: Sources, asked: overview.NoQuestion, by: str) -> Response:
    """The API for machines."""
    return Response(document(ENDPOINTS, sources.version), media_type="application/json")


DESCRIPTION = Endpoint("GET", "/api/openapi.json", "OpenAPI 3.1", overview.NoQuestion, None, describe)


def build(sources: Sources, access: Access, user: str) -> ASGIApp:
    """The API over these sources; `user` is written into the triage log where no token names the caller."""
    app = Starlette(
        routes=[_route(endpoint, sources) for endpoint in (*ENDPOINTS, DESCRIPTION)],
        exception_handlers={
            problems.Problem: problems.on_problem,
            HTTPException: problems.on_http_error,
            StoreError: problems.on_store_error,
            Exception: problems.on_bug,
        },
    )
    return Guard(app, access, user)


def _route(endpoint: Endpoint[Any], sources: Sources) -> Route:
    async def respond(request: Request) -> Response:
        began, status = time.monotonic(), 500
        try:
            response = await endpoint.respond(request, sources)
            status = response.status_code
            if request.method == "HEAD" and isinstance(response, StreamingResponse):
                # Nobody is there to take what would be sent, perhaps for ever.
                return Response(status_code=status, headers=dict(response.headers))
            return response
        except problems.Problem as problem:
            status = problem.status
            raise
        except SchemaMismatch:
            raise
        except StoreError:
            status = 503
            raise
        finally:
            sources.metrics.answered(endpoint.path, endpoint.method, status, time.monotonic() - began)

    path = endpoint.path.replace("_id}", "_id:ident}")
    return Route(path, _named(respond, endpoint), methods=[endpoint.method])


def _named(
    respond: Callable[[Request], Awaitable[Response]], endpoint: Endpoint[Any]
) -> Callable[[Request], Awaitable[Response]]:
    respond.__name__ = endpoint.handle.__name__
    return respond
