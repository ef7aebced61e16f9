"""What an endpoint is, and how a request becomes its question and its answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from domain.filters import Filter, FilterError, parse
from domain.verdict import ScoredTransaction
from services.api.course import Course
from services.api.figures import Figures
from services.api.metrics import Metrics
from services.api.problems import Problem, of_filter
from services.api.stream import Hub
from services.console.port import ConsolePort
from services.records.export import json_line, safe_json
from services.store.store import Store

MAX_BODY = 2 * 1024 * 1024
SMALL_BODY = 64 * 1024
MAX_LARGE_BODIES = 16
"""How many bodies that are not small are received at a time: what they take of memory has a bound."""
Question = TypeVar("Question", bound=msgspec.Struct)
Method = Literal["GET", "POST"]

EncodedRow = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/Row"})]
"""A `Row` that is JSON already."""


@dataclass(frozen=True)
class Sources:
    """Where answers come from."""

    port: ConsolePort
    store: Store
    hub: Hub
    figures: Figures
    course: Course
    version: str
    metrics: Metrics
    downloads: asyncio.Semaphore
    """Bounds how many files are exported at a time."""
    large_bodies: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_LARGE_BODIES))

    @property
    def now(self) -> datetime:
        """What time it is for the stream."""
        return self.port.snapshot().clock.now(datetime.now(UTC))


@dataclass(frozen=True, eq=False)
class Endpoint(Generic[Question]):
    """An address, what may be asked there and what is answered.

    `question` has the query and path parameters of a GET, and the body of a POST. `answer` is None for what is no JSON.
    `handle` gets the question and who asks. `problems` are the statuses beside those that every endpoint may have;
    `headers` are those that a parameter is taken from first.
    """

    method: Method
    path: str
    summary: str
    question: type[Question]
    answer: type[msgspec.Struct] | None
    handle: Callable[[Sources, Question, str], Awaitable[msgspec.Struct | Response]]
    problems: tuple[int, ...] = ()
    media_types: tuple[str, ...] = ("application/json",)
    headers: Mapping[str, str] = field(default_factory=dict)

    async def respond(self, request: Request, sources: Sources) -> Response:
        """Answer a request. Raises Problem."""
        found = await self.handle(sources, await self._asked(request, sources), request.scope["caller"])
        if isinstance(found, Response):
            return found
        return Response(safe_json(found), media_type="application/json")

    async def _asked(self, request: Request, sources: Sources) -> Question:
        try:
            if self.method == "POST":
                return msgspec.json.decode(await _json_body(request, sources.large_bodies), type=self.question)
            sent = {name: request.headers[header] for header, name in self.headers.items() if header in request.headers}
            given = {**_once_each(request.query_params), **request.path_params, **sent}
            return msgspec.convert(given, self.question, strict=False)
        except msgspec.ValidationError as error:
            raise Problem(422, _readable(str(error))) from error
        except msgspec.DecodeError as error:
            raise Problem(400, f"the body is no JSON: {error}") from error


def _once_each(parameters: QueryParams) -> dict[str, str]:
    given = parameters.multi_items()
    once = dict(given)
    if len(once) < len(given):
        twice = next(name for name in once if len(parameters.getlist(name)) > 1)
        raise Problem(422, f"{twice}: given more than once")
    return once


async def _json_body(request: Request, large: asyncio.Semaphore) -> bytes:
    # A form of another site can post text/plain, but not this without being asked for permission first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "send the body as Content-Type: application/json")
    body = bytearray()
    async with AsyncExitStack() as held:
        try:
            async for chunk in request.stream():
                grown = len(body) <= SMALL_BODY < len(body) + len(chunk)
                body += chunk
                if len(body) > MAX_BODY:
                    raise Problem(413, f"a body has at most {MAX_BODY:,} bytes", headers={"Connection": "close"})
                if grown and large.locked():
                    retry = {"Connection": "close", "Retry-After": "10"}
                    raise Problem(503, "too many large bodies are being received, try again soon", headers=retry)
                if grown:
                    await held.enter_async_context(large)
        except ClientDisconnect as error:
            # Nobody is there to read it.
            raise Problem(400, "the body did not come to its end") from error
    return bytes(body)


def _readable(message: str) -> str:
    """`Expected int, got str - at $.limit` with the name of the parameter in front."""
    said, _, path = message.replace("`", "").partition(" - at ")
    return f"{path.removeprefix('$.')}: {said[0].lower()}{said[1:]}" if path else said[0].lower() + said[1:]


def filter_of(sources: Sources, text: str) -> Filter:
    """The filter that `q` asks for; its times count back from what the stream's clock says. Raises Problem."""
    try:
        return parse(text, sources.now)
    except FilterError as error:
        raise of_filter(text, error) from error


def encoded(row: ScoredTransaction) -> msgspec.Raw:
    """A row as every answer has it."""
    return msgspec.Raw(json_line(row).encode())
