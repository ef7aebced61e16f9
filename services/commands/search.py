"""`anomaly-tui transactions`, `anomalies` and `users`: what a filter finds in stored history, written to stdout."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Console

from domain.filters import Filter, FilterError, parse
from domain.sanitize import sanitize
from domain.verdict import ScoredTransaction
from services.commands.database import open_store
from services.commands.signals import interruptible
from services.commands.table import TRANSACTIONS, USERS, Listing, output_width, totals
from services.errors import UserError
from services.process.output import while_read
from services.records import export
from services.records.export import Format
from services.settings import Settings
from services.store.faults import StoreError, Transient
from services.store.store import Store

_CHUNK = 500
_POLL_SECONDS = 0.5
_OVERLAP = timedelta(seconds=10)
"""A row is visible at its commit, but dated from the start of its batch: how far back a poll looks for late ones."""
_POLLED_AT_ONCE = 5_000
_USER_COLUMNS = ("user_id", "transactions", "flagged", "last_seen", "totals")


@dataclass(frozen=True)
class Query:
    """What is asked for: a filter, and how its rows are written; `format` None is a table."""

    text: str
    format: Format | None = None
    limit: int = 100
    flagged_only: bool = False

    def filter(self, now: datetime) -> Filter:
        """The filter as it reads `now`, by the stream's clock: `since:5m` counts back from it. Raises: FilterError."""
        found = parse(self.text, now)
        return found & parse("is:flagged") if self.flagged_only else found


def transactions(settings: Settings, query: Query, *, follow: bool) -> int:
    """Write the newest rows, newest first; with `follow` oldest first, then new ones as they are stored, until Ctrl-C.

    Returns 2 for a filter that cannot be understood, which it explains on stderr. Raises: UserError.
    """

    async def once(store: Store) -> int:
        count = 0
        chunk = []
        # Closed at once where writing fails: what holds a connection holds up the end of the program.
        async with aclosing(store.search.newest(await _filter(store, query), query.limit)) as rows:
            async for row in rows:
                chunk.append(row)
                count += 1
                if len(chunk) == _CHUNK:
                    _write(writer.lines(chunk))
                    chunk.clear()
        _write(writer.lines(chunk))
        _tell(query, count)
        return 0

    async def following(store: Store) -> int:
        quitting = asyncio.Event()
        return await interruptible(_follow(store, query, writer, quitting), quitting)

    writer = query.format or Listing(TRANSACTIONS, output_width())
    return _answer(settings, query, writer.head, following if follow else once)


def users(settings: Settings, query: Query) -> int:
    """Write the users with a transaction that matches, those with the most flagged ones first.

    Returns 2 for a filter that cannot be understood, which it explains on stderr. Raises: UserError.
    """

    async def work(store: Store) -> int:
        found = await store.search.users(await _filter(store, query), query.limit)
        if query.format is Format.JSONL:
            _write("".join(map(export.json_line, found)))
        elif query.format is Format.CSV:
            _write(
                export.csv_text(
                    (
                        export.cell(user.user_id),
                        user.transactions,
                        user.flagged,
                        export.timestamp(user.last_seen),
                        export.cell(totals(user)),
                    )
                    for user in found
                )
            )
        else:
            _write(table.lines(found))
        _tell(query, len(found))
        return 0

    table = Listing(USERS, output_width())
    heads = {Format.CSV: export.csv_text([_USER_COLUMNS]), Format.JSONL: ""}
    return _answer(settings, query, heads[query.format] if query.format else table.head, work)


async def _filter(store: Store, query: Query) -> Filter:
    clock = await store.clock()
    return query.filter(clock.now(datetime.now(UTC)))


@while_read
def _answer(settings: Settings, query: Query, head: str, work: Callable[[Store], Awaitable[int]]) -> int:
    try:
        query.filter(datetime.now(UTC))
    except FilterError as error:
        _explain(query.text, error)
        return 2

    async def run() -> int:
        async with open_store(settings) as store:
            _write(head)
            try:
                return await work(store)
            except StoreError as error:
                raise UserError(
                    f"PostgreSQL could not answer: {error}. A narrower filter, such as since:1d, may help."
                ) from error

    return asyncio.run(run())


async def _follow(
    store: Store, query: Query, writer: Format | Listing[ScoredTransaction], quitting: asyncio.Event
) -> int:
    recent = await store.search.recent(_OVERLAP)
    newest = [row async for row in store.search.newest(await _filter(store, query), query.limit)]
    _write(writer.lines(reversed(newest)))
    known = recent.stored | {row.transaction.transaction_id: row.stored_at for row in newest}
    since = recent.at - _OVERLAP
    complained = False
    while not quitting.is_set():
        known = {ident: stored_at for ident, stored_at in known.items() if stored_at >= since}
        try:
            now, rows = await store.search.stored_since(await _filter(store, query), since, known, _POLLED_AT_ONCE)
        except Transient as error:
            if not complained:
                Console(stderr=True).print(
                    f"PostgreSQL does not answer, trying on: {sanitize(str(error))}", markup=False
                )
            now, rows, complained = since + _OVERLAP, (), True
        else:
            complained = False
        _write(writer.lines(rows))
        known.update((row.transaction.transaction_id, row.stored_at) for row in rows)
        if len(rows) < _POLLED_AT_ONCE:
            since = now - _OVERLAP
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await quitting.wait()
    return 0


def _write(text: str) -> None:
    if text:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def _tell(query: Query, count: int) -> None:
    """Say on stderr when the limit cut the rows off, or when there are none, which a table alone does not show."""
    if count == query.limit:
        _note(f"{count:,} shown, the most that --limit {query.limit} lets through.")
    elif not count and query.format is None:
        _note("Nothing stored matches.")


def _note(line: str) -> None:
    Console(stderr=True, soft_wrap=True).print(line, style="dim", markup=False, highlight=False)


def _explain(text: str, error: FilterError) -> None:
    """The filter, and below it a caret with what was expected there."""
    shown, pointer = error.caret(sanitize(text)).splitlines()
    console = Console(stderr=True, soft_wrap=True)
    console.print(shown, markup=False, highlight=False)
    console.print(sanitize(pointer), style="red", markup=False, highlight=False)
