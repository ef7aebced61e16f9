"""`anomaly-tui quality`: how well the detectors do where the producer sent ground truth."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from domain.filters import FilterError, moment
from domain.quality import DetectorQuality
from domain.sanitize import sanitize
from services.commands.database import open_store
from services.errors import UserError
from services.settings import Settings

AT_THRESHOLD = "recall at the threshold"
"""The share of anomalies that was flagged; `evaluate` has recall at a false positive rate besides."""


def show(settings: Settings, *, since: str | None, as_json: bool) -> int:
    """Print stored verdicts against ground truth, of transactions since a time such as 1d or 2026-03-01.

    Raises: UserError for a time that is none.
    """
    if since is not None:
        moment_of(since, datetime.now(UTC))

    async def work() -> tuple[datetime | None, tuple[DetectorQuality, ...]]:
        async with open_store(settings) as store:
            clock = await store.clock()
            start = None if since is None else moment_of(since, clock.now(datetime.now(UTC)))
            return start, await store.quality(start)

    start, qualities = asyncio.run(work())
    console = Console()
    if as_json:
        found = {"since": start, "detectors": [_fields(quality) for quality in qualities]}
        console.file.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return 0
    if not qualities:
        console.print("No stored transaction has both ground truth and a verdict" + (" since then." if since else "."))
        return 0
    console.print(_table(qualities, start))
    return 0


def moment_of(since: str, now: datetime) -> datetime:
    """The moment that `--since` names at `now`. Raises UserError."""
    try:
        return moment(since, now)
    except FilterError as error:
        raise UserError(f"--since {since}: {error.message}.") from error


def _fields(quality: DetectorQuality) -> dict[str, Any]:
    """Everything that was counted, with the figures read off it."""
    return {
        "detector": quality.detector,
        "labelled": quality.labelled,
        "anomalous": quality.anomalous,
        "flagged": quality.flagged,
        "caught": quality.caught,
        "precision": quality.precision,
        "recall": quality.recall,
        "f1": quality.f1,
        "alert_rate": quality.alert_rate,
        "kinds": [
            {"kind": kind.kind, "anomalous": kind.anomalous, "caught": kind.caught, "recall": kind.recall}
            for kind in quality.kinds
        ],
    }


def _table(qualities: tuple[DetectorQuality, ...], start: datetime | None) -> Table:
    """One column a detector, one row a figure, then one a kind of anomaly."""
    title = "quality of all that is stored" if start is None else f"quality since {start:%Y-%m-%d %H:%M} UTC"
    table = Table("", *(quality.detector for quality in qualities), title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, shown in _FIGURES:
        table.add_row(name, *(shown(quality) for quality in qualities))
    table.add_section()
    for kind in dict.fromkeys(kind.kind for quality in qualities for kind in quality.kinds):
        found = ({each.kind: each for each in quality.kinds}.get(kind) for quality in qualities)
        table.add_row(f"{AT_THRESHOLD}, {sanitize(kind)}", *(_share(each.recall if each else None) for each in found))
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


_FIGURES: tuple[tuple[str, Callable[[DetectorQuality], str]], ...] = (
    ("labelled", lambda quality: f"{quality.labelled:,}"),
    ("anomalous", lambda quality: f"{quality.anomalous:,}"),
    ("precision", lambda quality: _share(quality.precision)),
    (AT_THRESHOLD, lambda quality: _share(quality.recall)),
    ("F1", lambda quality: _share(quality.f1)),
    ("alert rate", lambda quality: f"{quality.alert_rate:.2%}"),
)
