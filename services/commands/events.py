"""`anomaly-tui events`: what changed while engines ran, and what analysts decided."""

import asyncio
from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.text import Text

from domain.sanitize import sanitize
from domain.timeline import TimelineEvent
from services.commands.database import open_store
from services.commands.quality import moment_of
from services.settings import Settings

_INKS = {"info": "", "warning": "yellow", "error": "red"}


def show(settings: Settings, *, since: str | None, limit: int, as_json: bool) -> int:
    """Print at most `limit` events since a time such as 1h or 2026-03-01, newest first; `as_json` one object a line.

    Raises: UserError for a time that is none.
    """
    start = None if since is None else moment_of(since, datetime.now(UTC))

    async def work() -> tuple[TimelineEvent, ...]:
        async with open_store(settings) as store:
            return await store.timeline.newest(start, limit)

    found = asyncio.run(work())
    console = Console(soft_wrap=True, highlight=False)
    if as_json:
        console.file.writelines(msgspec.json.encode(event).decode() + "\n" for event in found)
        return 0
    if not found:
        console.print("Nothing has changed" + (" since then." if since else "."))
    for event in found:
        console.print(_line(event))
    return 0


def _line(event: TimelineEvent) -> Text:
    at = f"{event.at:%Y-%m-%d %H:%M:%S}Z"
    return Text.assemble(
        (at, "dim"),
        f"  {event.kind:<9}  {sanitize(event.subject):<12}  ",
        (sanitize(event.text), _INKS[event.level]),
    )
