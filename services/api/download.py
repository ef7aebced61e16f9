"""What a filter finds, as a file."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from domain.verdict import ScoredTransaction
from services.api.client import Of
from services.api.endpoint import Endpoint, Sources, filter_of
from services.api.lists import FilterText, position_of_row
from services.api.problems import Problem
from services.records.export import Format
from services.store.pages import NEWEST, Position

MAX_ROWS = 1_000_000
PAGE = 500
Rows = tuple[ScoredTransaction, ...]
_MEDIA_TYPES = {Format.CSV: "text/csv", Format.JSONL: "application/x-ndjson"}


class ExportQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows, and how they are written."""

    q: FilterText = ""
    of: Of = "transactions"
    format: Format = Format.CSV


class Download(StreamingResponse):
    """A file that is written while it is sent."""

    def __init__(self, name: str, media_type: str, chunks: AsyncIterator[str], running: asyncio.Semaphore) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(chunks, media_type=media_type, headers=headers)
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as one of a few."""
        async with self._running:
            await super().__call__(scope, receive, send)


async def export(sources: Sources, asked: ExportQuestion, by: str) -> Download:
    """The rows that match, newest first, as CSV or JSON lines."""
    if sources.downloads.locked():
        raise Problem(503, "too many files are being exported, try again soon", headers={"Retry-After": "10"})
    now = datetime.now(UTC)
    name = f"anomaly-tui-{asked.of}-{now:%Y%m%dT%H%M%SZ}.{asked.format.value}"
    pages = sources.store.pages
    page = partial(pages.transactions if asked.of == "transactions" else pages.anomalies, filter_of(sources, asked.q))
    # Asked for now, while there can still be another answer than a file.
    first = await page(NEWEST, PAGE)
    return Download(name, _MEDIA_TYPES[asked.format], _text(asked.format, first, page), sources.downloads)


async def _text(format: Format, rows: Rows, page: Callable[[Position, int], Awaitable[Rows]]) -> AsyncIterator[str]:
    """The file, read page by page: a slow line holds neither a connection to PostgreSQL nor a state of its tables."""
    yield format.head
    left = MAX_ROWS
    while rows:
        yield format.lines(rows)
        left -= len(rows)
        rows = await page(position_of_row(rows[-1]), min(left, PAGE)) if left and len(rows) == PAGE else ()


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/export",
        "The rows that match, as a file",
        ExportQuestion,
        None,
        export,
        problems=(503,),
        media_types=tuple(_MEDIA_TYPES.values()),
    ),
)
