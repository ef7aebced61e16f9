"""The lines around every screen: status and tabs at the top, keys at the bottom."""

from datetime import datetime

from rich.style import Style
from rich.text import Text

from domain.engine import Snapshot
from tui import cells
from tui.intake import Intake
from tui.panes.health import WORKER_MARKS, worker_style
from tui.themes import Palette
from tui.widgets.drawing import Line, line, palette_of

Parts = list[tuple[str, Style]]


def status_line(intake: Intake, now: datetime, width: int, palette: Palette) -> Text:
    """The status line in `width` cells. The least important parts are left out first."""
    snapshot = intake.snapshot
    if intake.trouble:
        said = f"  {intake.trouble}; last heard {snapshot.at:%H:%M:%S}Z"
        return line(("✗LOST", palette.bad + palette.strong), (said, palette.bad), width=width)
    moving = ("❚❚FROZEN", palette.warn + palette.strong) if intake.frozen else ("▶LIVE", palette.good + palette.strong)
    anomalies, told = snapshot.open_anomalies, snapshot.clock.sentence
    groups: list[tuple[int, Parts]] = [
        (0, [moving, (f" {_rate(snapshot.rate)}/s", Style.null())]),
        (2, [("p95 ", palette.dim), (cells.latency(snapshot.latency_p95), Style.null())]),
        (
            3,
            [
                ("lag ", palette.dim),
                (cells.short(snapshot.lag), palette.warn if snapshot.lag > 10_000 else Style.null()),
            ],
        ),
        (4, [("pg q ", palette.dim), (cells.short(snapshot.writer_queue), Style.null())]),
        (8, [("drop ", palette.dim), (cells.short(intake.missed), palette.warn if intake.missed else Style.null())]),
        (
            1,
            [
                (
                    f"▲{'-' if anomalies is None else cells.short(anomalies)} open",
                    palette.critical if anomalies else palette.dim,
                )
            ],
        ),
        (5, _workers(snapshot, palette)),
        (7, _age(snapshot, now, palette)),
        (1, [(told, palette.title)]) if told else (9, [(f"{now:%H:%M}Z", palette.dim)]),
    ]
    if intake.missed_anomalies:
        groups.insert(6, (2, [(f"▲missed {cells.short(intake.missed_anomalies)}", palette.bad)]))
    if snapshot.dead_letters:
        groups.insert(6, (6, [(f"dead {cells.short(snapshot.dead_letters)}", palette.warn)]))
    if snapshot.offset_gaps:
        groups.insert(6, (2, [(f"gaps {cells.short(snapshot.offset_gaps)}", palette.bad)]))
    kept = list(groups)
    while len(kept) > 1 and sum(_width(parts) for _, parts in kept) + 3 * (len(kept) - 1) > width:
        kept.remove(max(kept, key=lambda group: group[0]))
    parts: Parts = []
    for number, (_, group) in enumerate(kept):
        if number:
            parts.append((" │ ", palette.dim))
        parts += group
    return line(*parts, width=width)


def _rate(rate: float) -> str:
    return f"{rate:.1f}" if 0 < rate < 10 else cells.short(rate) if rate >= 10_000 else f"{rate:.0f}"


def _width(parts: Parts) -> int:
    return sum(cells.width(text) for text, _ in parts)


def _workers(snapshot: Snapshot, palette: Palette) -> Parts:
    """Each worker as one or two letters and a mark; more than six workers as counts."""
    if len(snapshot.workers) > 6:
        running = sum(worker.state == "running" for worker in snapshot.workers)
        others = [worker for worker in snapshot.workers if worker.state not in ("running", "stopped")]
        parts: Parts = [(f"{running}✓", palette.good)]
        if others:
            parts.append((f" {len(others)}!", palette.bad))
        return parts
    initials = [worker.name[:1] for worker in snapshot.workers]
    parts = []
    for worker in snapshot.workers:
        separator = " " if parts else ""
        short = worker.name[: min(initials.count(worker.name[:1]), 2)].capitalize()
        parts.append((f"{separator}{short}{WORKER_MARKS[worker.state]}", worker_style(worker, palette)))
    return parts


def _age(snapshot: Snapshot, now: datetime, palette: Palette) -> Parts:
    """The age of the newest stored transaction, with tenths below one second only."""
    if snapshot.last_stored_at is None:
        return [("age -", palette.dim)]
    age = (now - snapshot.last_stored_at).total_seconds()
    return [
        ("age ", palette.dim),
        (f"{age:.0f}s" if 1 <= age < 9.5 else cells.duration(age), palette.warn if age > 5 else Style.null()),
    ]


def tabs_line(titles: dict[str, str], current: str, width: int, palette: Palette) -> Text:
    """The screens with the keys that open them, the current one in brackets."""
    parts: Parts = []
    for key, title in titles.items():
        here = title == current
        parts.append((f"[{key}]{title} " if here else f" {key} {title} ", palette.title if here else palette.dim))
    return line(*parts, width=width)


def keys_line(hints: tuple[tuple[str, str], ...], width: int, palette: Palette) -> Text:
    """The most used keys, as many as fit."""
    parts: Parts = []
    used = 0
    for key, action in hints:
        gap = "  " if parts else ""
        used += len(gap) + len(key) + len(action) + 1
        if used > width:
            break
        parts += [(f"{gap}{key} ", palette.title), (action, palette.dim)]
    return line(*parts, width=width)


class StatusLine(Line):
    """The status line at the top of a screen."""

    def show_status(self, intake: Intake, now: datetime) -> None:
        """Show the status at `now`."""
        self.show(status_line(intake, now, self.size.width, palette_of(self)))
