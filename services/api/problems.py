"""Answers that say what is wrong: RFC 9457, `application/problem+json`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from domain.filters import FilterError
from domain.sanitize import sanitize
from services.store.faults import BadData, SchemaMismatch, StoreError

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Why a request has no other answer. `extra` are members beside those that every problem has, safe to show."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.extra = extra

    @property
    def response(self) -> Response:
        """The answer."""
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": sanitize(self.detail),
            **self.extra,
        }
        return Response(msgspec.json.encode(body), self.status, self.headers, MEDIA_TYPE)


def of_filter(text: str, error: FilterError) -> Problem:
    """What is wrong with a filter, where, and the two lines that a console shows."""
    return Problem(
        422,
        error.message,
        position=error.position,
        length=_length(text, error.position),
        expected=error.expected,
        caret=error.caret(sanitize(text)),
    )


def _length(text: str, position: int) -> int:
    """How many characters the word at `position` has; at least 1, so that there is something to underline."""
    rest = text[position:]
    word = rest.split(maxsplit=1)[0] if rest.strip() and not rest[0].isspace() else ""
    return max(1, len(word))


async def on_problem(request: Request, error: Exception) -> Response:
    """Answer a request that raised a `Problem`."""
    assert isinstance(error, Problem)
    return error.response


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer for the framework: no such page, or not by this method."""
    assert isinstance(error, HTTPException)
    details = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not for this address"}
    return Problem(error.status_code, details.get(error.status_code, error.detail), headers=error.headers).response


async def on_store_error(request: Request, error: Exception) -> Response:
    """Answer while PostgreSQL cannot. What it refuses as it was asked is a bug, or another release's database."""
    assert isinstance(error, StoreError)
    if isinstance(error, SchemaMismatch):
        raise error
    if isinstance(error, BadData):
        return Problem(422, f"PostgreSQL refuses a value: {error}").response
    detail = f"PostgreSQL does not answer: {error}. A narrower filter, such as since:1d, may help."
    return Problem(503, detail, headers={"Retry-After": "2"}).response


async def on_bug(request: Request, error: Exception) -> Response:
    """Answer where the program is wrong; the log has the traceback."""
    return Problem(500, "this should not happen: the engine's log says more").response
