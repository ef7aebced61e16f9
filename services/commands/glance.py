"""`anomaly-tui status --follow` and `--format`: a running engine in one line, for scripts and status bars."""

import string
from collections.abc import Mapping
from typing import Any

from domain.engine import Snapshot
from domain.sanitize import sanitize
from services.errors import UserError

DEFAULT = (
    "{at}  {state}  {rate:.0f}/s  lag {lag}  age {age:.0f} s  p95 {p95:.0f} ms  open {open}{budget}  "
    "{running} workers running{troubled}"
)


class _NotKnown:
    """A figure that is not known yet, whatever format is asked for."""

    def __format__(self, spec: str) -> str:
        return "-"


def figures(snapshot: Snapshot, *, well: bool) -> Mapping[str, Any]:
    """What a line can say, by name. Latencies are milliseconds, counts are since the engine's start.

    `age` is for how many seconds nothing more was stored.
    """
    troubled = [worker.name for worker in snapshot.workers if worker.state not in ("running", "stopped")]
    return {
        "at": f"{snapshot.at:%H:%M:%S}Z",
        "state": "well" if well else "not well",
        "rate": snapshot.rate,
        "lag": snapshot.lag,
        "age": _NotKnown()
        if snapshot.last_stored_at is None
        else (snapshot.at - snapshot.last_stored_at).total_seconds(),
        "p50": snapshot.latency_p50 * 1e3,
        "p95": snapshot.latency_p95 * 1e3,
        "p99": snapshot.latency_p99 * 1e3,
        "queue": snapshot.writer_queue,
        "open": _NotKnown() if snapshot.open_anomalies is None else snapshot.open_anomalies,
        "over": _NotKnown() if snapshot.over_budget is None else snapshot.over_budget,
        "budget": f", {snapshot.budget_says}" if snapshot.budget_says else "",
        "stored": snapshot.transactions,
        "dead": snapshot.dead_letters,
        "gaps": snapshot.offset_gaps,
        "running": sum(worker.state == "running" for worker in snapshot.workers),
        "troubled": f", not well: {', '.join(troubled)}" if troubled else "",
    }


NAMES = (
    "at",
    "state",
    "rate",
    "lag",
    "age",
    "p50",
    "p95",
    "p99",
    "queue",
    "open",
    "over",
    "budget",
    "stored",
    "dead",
    "gaps",
    "running",
    "troubled",
)


def check(template: str) -> None:
    """Raises UserError for a template that names something else, or has no form."""
    try:
        named = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UserError(f"--format {template}: {error}.") from None
    for name in named:
        if name not in NAMES:
            raise UserError(f"--format: there is no {{{name}}}; there are {', '.join(NAMES)}.")


def glance(template: str, snapshot: Snapshot, *, well: bool) -> str:
    """The line; rate and latencies have one decimal where it says no other. Raises UserError for a wrong format."""
    known = {
        name: _Plain(value) if isinstance(value, float) else value
        for name, value in figures(snapshot, well=well).items()
    }
    try:
        return sanitize(template.format_map(known))
    except ValueError as error:
        raise UserError(f"--format {template}: {error}.") from None


class _Plain(float):
    def __format__(self, spec: str) -> str:
        return super().__format__(spec or ".1f")
