"""`anomaly-tui quality`: how well the detectors do where the truth is known, and would at other thresholds."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from domain.comparison import USUAL_CUTS, Comparison
from domain.filters import FilterError, moment
from domain.quality import DetectorQuality, ScoreBand
from domain.sanitize import sanitize
from services.commands.database import open_store
from services.errors import UserError
from services.settings import Settings
from services.store.store import Store

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
            start = await _start(store, since)
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


def compare(settings: Settings, cuts: Sequence[float], *, since: str | None, as_json: bool) -> int:
    """Print what thresholds at these scores would have flagged of what is stored, beside what was flagged.

    Raises: UserError for a score outside of (0, 1], or a time that is none.
    """
    if wrong := [cut for cut in cuts if not 0 < cut <= 1]:
        raise UserError(f"--at {wrong[0]:g}: write a score above 0 and at most 1, such as 0.8.")
    if since is not None:
        moment_of(since, datetime.now(UTC))

    async def work() -> tuple[Comparison, ...]:
        async with open_store(settings) as store:
            return await store.truth.compared(await _start(store, since), cuts or USUAL_CUTS)

    found, console = asyncio.run(work()), Console()
    if as_json:
        console.file.write(msgspec.json.format(msgspec.json.encode(list(map(_compared, found)))).decode() + "\n")
        return 0
    if not found:
        console.print("No verdict is stored" + (" since then." if since else " yet."))
        return 0
    for comparison in found:
        console.print(_cuts(comparison))
    console.print(
        "Precision and recall where the truth is known: ground truth, or else decisions. `evaluate --stored` with "
        "detection options scores the same history by them before an engine does.",
        style="dim",
    )
    return 0


async def _start(store: Store, since: str | None) -> datetime | None:
    """The moment that `--since` names by the stream's clock; None without it."""
    return None if since is None else moment_of(since, (await store.clock()).now(datetime.now(UTC)))


def _compared(comparison: Comparison) -> dict[str, Any]:
    cuts = [
        {
            "at": cut.at,
            "alerts": cut.alerts,
            "a_day": comparison.a_day(cut),
            "share": comparison.share(cut),
            "precision": cut.precision,
            "recall": comparison.recall(cut),
        }
        for cut in comparison.cuts
    ]
    counts = {name: getattr(comparison, name) for name in ("detector", "verdicts", "known", "anomalous", "days")}
    return {**counts, "cuts": cuts}


def _cuts(comparison: Comparison) -> Table:
    """One row a threshold, the first as the detector flagged."""
    title = f"{comparison.detector}: {comparison.verdicts:,} verdicts, the truth of {comparison.known:,} is known"
    table = Table("flagged", "alerts", "a day", "share", "precision", "recall", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for cut in comparison.cuts:
        table.add_row(
            "as it was" if cut.at is None else f"score >= {cut.at:g}",
            f"{cut.alerts:,}",
            f"{comparison.a_day(cut):,.1f}",
            f"{comparison.share(cut):.2%}",
            share(cut.precision),
            share(comparison.recall(cut)),
            end_section=cut.at is None,
        )
    return table


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
        "estimated_precision": quality.estimated,
        "recall": quality.recall,
        "f1": quality.f1,
        "alert_rate": quality.alert_rate,
        "kinds": [
            {"kind": kind.kind, "anomalous": kind.anomalous, "caught": kind.caught, "recall": kind.recall}
            for kind in quality.kinds
        ],
        "reliability": [
            {"from": band.low, "verdicts": band.verdicts, "estimated": band.estimated, "anomalous": band.realised}
            for band in quality.bands
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
        table.add_row(f"{AT_THRESHOLD}, {sanitize(kind)}", *(share(each.recall if each else None) for each in found))
    table.add_section()
    for low in sorted({band.low for quality in qualities for band in quality.bands}):
        bands = ({each.low: each for each in quality.bands}.get(low) for quality in qualities)
        table.add_row(f"anomalous at {low:.1f} to {low + 0.1:.1f}", *(_realised(band) for band in bands))
    return table


def _realised(band: ScoreBand | None) -> str:
    return "-" if band is None else f"{band.realised:.0%} of {band.verdicts:,}"


def share(value: float | None) -> str:
    """A share as a percentage; a dash where there is none."""
    return "-" if value is None else f"{value:.1%}"


_FIGURES: tuple[tuple[str, Callable[[DetectorQuality], str]], ...] = (
    ("labelled", lambda quality: f"{quality.labelled:,}"),
    ("anomalous", lambda quality: f"{quality.anomalous:,}"),
    ("precision", lambda quality: share(quality.precision)),
    ("precision, estimated", lambda quality: share(quality.estimated)),
    (AT_THRESHOLD, lambda quality: share(quality.recall)),
    ("F1", lambda quality: share(quality.f1)),
    ("alert rate", lambda quality: f"{quality.alert_rate:.2%}"),
)
