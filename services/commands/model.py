"""`anomaly-tui model`: the fitted versions, which of them is in use, and another one instead.

A running engine takes up a change within seconds, between two batches, and never restarts for it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import msgspec
from rich.console import Console

from detectors.worth import Labels, outcome
from domain.verdict import BANDS
from services.commands.database import open_store
from services.commands.quality import share
from services.commands.table import Listing, TableColumn, output_width
from services.errors import UserError
from services.models.feedback import stored_labels
from services.settings import Settings
from services.store.store import Store
from services.store.truth import Judged


class _Version(NamedTuple):
    """A stored model, the figures of its fit, and what it judged since."""

    row: Any
    figures: dict[str, Any]
    judged: Judged | None


def _anomalous(version: _Version) -> str:
    return share(version.figures["anomalous"]) if "anomalous" in version.figures else ""


_COLUMNS: tuple[TableColumn[_Version], ...] = (
    TableColumn("version", 12, 20, 0, lambda each: each.row["version"]),
    TableColumn("detector", 8, 8, 1, lambda each: each.row["detector"]),
    TableColumn("rows", 9, 9, 7, lambda each: f"{each.figures.get('rows', each.row['trained_rows']):,}", "right"),
    TableColumn(
        "users", 9, 9, 8, lambda each: f"{each.figures['users']:,}" if "users" in each.figures else "", "right"
    ),
    TableColumn("history until", 16, 16, 9, lambda each: each.figures.get("to", "")[:16].replace("T", " ")),
    TableColumn("anomalous", 9, 9, 10, _anomalous, "right"),
    TableColumn("verdicts", 9, 11, 4, lambda each: f"{each.judged.verdicts if each.judged else 0:,}", "right"),
    TableColumn("flagged", 7, 7, 5, lambda each: share(each.judged.share) if each.judged else "-", "right"),
    TableColumn("precision", 9, 9, 2, lambda each: share(each.judged.precision) if each.judged else "-", "right"),
    TableColumn("recall", 6, 6, 3, lambda each: share(each.judged.recall) if each.judged else "-", "right"),
    TableColumn("", 18, 18, 6, lambda each: _state(each.row)),
)


def _state(row: Any) -> str:
    return "in use" if row["in_use"] else "" if row["usable"] else "of another release"


def show(settings: Settings) -> int:
    """Print every version with the history it was fitted on, and what it has judged since, and how well."""

    async def work(store: Store) -> int:
        found = await store.models()
        if not found:
            Console().print("No model has been fitted yet: the first fit comes at 1,000 transactions.")
            return 0
        judged = await store.truth.by_model()
        labels = await stored_labels(store)
        listing = Listing(_COLUMNS, output_width())
        rows = [
            _Version(row, msgspec.json.decode(row["figures"]), judged.get((row["detector"], row["version"])))
            for row in found
        ]
        console = Console()
        console.file.write(listing.head + listing.lines(rows))
        console.print(
            "Precision and recall: of what a version judged after its fit, by ground truth, or else by decisions.",
            style="dim",
        )
        console.print("Anomalous: the share of anomalies in its history, as it is estimated.", style="dim")
        for line in _corrections(labels):
            console.print(line)
        return 0

    return _with_store(settings, work)


def _corrections(labels: tuple[Labels, ...]) -> list[str]:
    """What analysts' decisions make of each band of the enhanced detector's estimate."""
    ends = (0.0, *BANDS, 1.0)
    lines = []
    for (confirmed, rejected), low, high in zip(labels, ends, ends[1:], strict=False):
        if confirmed + rejected:
            after = outcome(0.5 * (low + high), Labels(confirmed, rejected))
            lines.append(
                f"Alerts of {low:g} to {high:g}: {confirmed:,} confirmed, {rejected:,} rejected; "
                f"the estimate {0.5 * (low + high):.2f} there is corrected to {after:.2f}."
            )
    return lines


def fit(settings: Settings) -> int:
    """Fit both detectors now on what is stored, and use them. Raises UserError when there is too little of it."""
    from services.models.fit import fit_stored
    from services.models.schedule import warming

    async def work(store: Store) -> int:
        if not await store.count():
            raise UserError("There is nothing stored to fit on yet: let transactions flow first, or replay a file.")
        choice = settings.detector
        with Console(stderr=True).status("fitting"):
            if not await fit_stored(store, choice, settings.policy, due_or_not=True):
                raise UserError("Another process is fitting just now; `anomaly-tui model list` shows its result.")
        rows = await store.models()
        for detector in warming(choice).versions:
            version = next(row["version"] for row in rows if row["detector"] == detector and row["in_use"])
            Console().print(f"{detector}: {version} is in use.")
        return 0

    return _with_store(settings, work)


def use(settings: Settings, version: str) -> int:
    """Take one version into use. Raises UserError for an unknown one."""

    async def work(store: Store) -> int:
        if not await store.use_model(version):
            raise UserError(f"There is no version {version}: `anomaly-tui model list` shows which there are.")
        Console().print(f"{version} is in use.")
        return 0

    return _with_store(settings, work)


def rollback(settings: Settings) -> int:
    """Take the version that was fitted before the one in use into use. Raises UserError when there is none."""

    async def work(store: Store) -> int:
        rows = await store.models()
        now = next((row["version"] for row in rows if row["in_use"]), "")
        fitted = {row["version"]: row["fitted_at"] for row in rows if row["usable"]}
        earlier = [version for version in fitted if version != now and fitted[version] < fitted[now]]
        if not earlier:
            raise UserError("There is no earlier version to go back to.")
        version = max(earlier, key=fitted.__getitem__)
        await store.use_model(version)
        Console().print(f"{version} is in use instead of {now}.")
        return 0

    return _with_store(settings, work)


def _with_store(settings: Settings, work: Callable[[Store], Coroutine[None, None, int]]) -> int:
    async def run() -> int:
        async with open_store(settings) as store:
            return await work(store)

    return asyncio.run(run())
