"""Component health: workers, partitions, broker, database, and dead letters."""

from datetime import datetime

from rich.style import Style
from rich.text import Text

from domain.accounting import total
from domain.engine import DeadLetter, PartitionStatus, Snapshot, WorkerStatus
from domain.timeline import TimelineEvent
from tui import cells
from tui.panes.backlog import backlog_line, history_line
from tui.themes import Palette
from tui.widgets.drawing import TextPane, line, rule

WORKER_MARKS = {"running": "✓", "starting": "…", "degraded": "!", "backoff": "!", "stopped": "-", "failed": "✗"}
_TROUBLED = ("degraded", "backoff", "failed")


def worker_style(worker: WorkerStatus, palette: Palette) -> Style:
    """The style of a worker's state."""
    if worker.state == "failed":
        return palette.bad
    if worker.state in ("degraded", "backoff"):
        return palette.warn + palette.strong
    return palette.good if worker.state == "running" else palette.dim


def worst(snapshot: Snapshot) -> WorkerStatus | None:
    """The worker in the worst state; None when all are well."""
    order = {state: rank for rank, state in enumerate(reversed(_TROUBLED))}
    troubled = [worker for worker in snapshot.workers if worker.state in order]
    return min(troubled, key=lambda worker: order[worker.state], default=None)


def last_known(snapshot: Snapshot) -> str:
    """When the engine was heard from last, for what is shown of an engine that does not answer."""
    return f"last known, {snapshot.at:%H:%M:%S}Z"


def summary(snapshot: Snapshot, width: int, palette: Palette, *, lost: bool = False) -> Text:
    """Health in one line: the worst worker with its message, a backlog, or the number of running workers.

    Nothing is known of an engine that is `lost`.
    """
    if lost:
        return line((f" ? workers not known; {last_known(snapshot)}", palette.bad), width=width)
    worker = worst(snapshot)
    if worker is not None:
        detail = worker.detail or worker.last_error or ""
        parts = [
            (f" {WORKER_MARKS[worker.state]} {worker.name} {worker.state.upper()}: ", worker_style(worker, palette))
        ]
        parts.append((detail, Style.null()))
        return line(*parts, width=width)
    if snapshot.history is not None:
        return history_line(snapshot.history, width, palette)
    if snapshot.backlog is not None:
        return backlog_line(snapshot.backlog, width, palette)
    parts = []
    if snapshot.offset_gaps:
        parts.append((f" ✗ {cells.grouped(snapshot.offset_gaps)} offset gaps", palette.bad))
    if snapshot.topic_resets:
        parts.append((f" ✗ topic made again or shortened ({cells.grouped(snapshot.topic_resets)})", palette.bad))
    running = sum(worker.state == "running" for worker in snapshot.workers)
    parts.append((f" ✓ {running} workers running", palette.good))
    # Nobody misses a frontend that was not asked for.
    stopped = [worker.name for worker in snapshot.workers if worker.state == "stopped" and worker.essential]
    if stopped:
        parts.append((f", {' and '.join(stopped)} stopped", palette.warn))
    if snapshot.dead_letters:
        parts.append((f"  {cells.grouped(snapshot.dead_letters)} dead letters (4)", palette.warn))
    parts.append((f"  {snapshot.broker}  {snapshot.database}", palette.dim))
    return line(*parts, width=width)


def health_lines(snapshot: Snapshot, now: datetime, width: int, palette: Palette, *, lost: bool = False) -> list[Text]:
    """The pane: broker, database and counts, then workers, then partitions. Of a `lost` engine, what was last known."""
    status, alarm = last_known(snapshot) if lost else "", lost or worst(snapshot) is not None
    lines = [line(*rule("Health", status, width, palette, alarm=alarm), width=width)]
    if snapshot.history is not None:
        lines.append(history_line(snapshot.history, width, palette))
    if snapshot.backlog is not None:
        lines.append(backlog_line(snapshot.backlog, width, palette))
    lines += component_lines(snapshot, width, palette)
    lines += [worker_line(worker, now, width, palette, lost=lost) for worker in snapshot.workers]
    lines += partition_lines(snapshot.partitions, width, palette)
    return lines


def component_lines(snapshot: Snapshot, width: int, palette: Palette) -> list[Text]:
    """Broker, database, models and the counts since the engine started."""
    dim = palette.dim
    models = "  ".join(f"{name} {version}" for name, version in snapshot.model_versions.items()) or "none yet"
    lines = [
        line((" broker   ", dim), snapshot.broker, width=width),
        line((" database ", dim), snapshot.database, width=width),
        line((" models   ", dim), models, width=width),
        line(
            (" counts   ", dim),
            f"{cells.short(snapshot.transactions)} stored",
            *((f"  {cells.short(count)} {name}", Style.null()) for name, count in snapshot.flagged.items()),
            (f"  {cells.short(snapshot.duplicates)} dup  {cells.short(snapshot.late)} late", dim),
            width=width,
        ),
    ]
    for name, counts in (("skipped", snapshot.skipped), ("remarks", snapshot.remarks)):
        if counts:
            said = ", ".join(f"{cells.grouped(count)} {kind}" for kind, count in counts.items())
            lines.append(line((f" {name}  ", dim), said, width=width))
    if snapshot.budget_says:
        lines.append(line((" alerts   ", dim), snapshot.budget_says, width=width))
    account = total(partition.account for partition in snapshot.partitions)
    if account.offsets:
        lines.append(line((" account  ", dim), account.sentence, width=width))
    wrong: list[tuple[str, Style]] = []
    if snapshot.dead_letters:
        wrong.append((f"{cells.grouped(snapshot.dead_letters)} dead letters  ", palette.warn + palette.strong))
    if snapshot.offset_gaps:
        wrong.append(
            (f"✗ {cells.grouped(snapshot.offset_gaps)} offset gaps: records lost at the broker  ", palette.bad)
        )
    if snapshot.topic_resets:
        said = f"✗ {cells.grouped(snapshot.topic_resets)} partitions read again: topic made again or shortened"
        wrong.append((said, palette.bad))
    if wrong:
        lines.append(line((" wrong    ", dim), *wrong, width=width))
    return lines


def worker_line(worker: WorkerStatus, now: datetime, width: int, palette: Palette, *, lost: bool = False) -> Text:
    """One worker in one line; without a mark or a time of an engine that is `lost`."""
    if lost:
        known = (f" ? {cells.fit(worker.name, 13)} was {worker.state}", palette.dim)
        return line(known, width=width)
    since = cells.duration(now - worker.since) if worker.since else ""
    restarts = f"↻{worker.restarts}" if worker.restarts else ""
    # The detail of a stopped worker is out of date.
    said = "" if worker.state == "stopped" else worker.detail
    said = said or (worker.last_error if worker.state in _TROUBLED else "") or ""
    ink = worker_style(worker, palette)
    return line(
        (f" {WORKER_MARKS[worker.state]} ", ink),
        cells.fit(worker.name, 13),
        (f" {worker.state:<8}", ink),
        (f" {since:>6} {restarts:<3} ", palette.dim),
        said,
        width=width,
    )


def partition_lines(partitions: tuple[PartitionStatus, ...], width: int, palette: Palette) -> list[Text]:
    """The lag of each partition, several to a line."""
    each = 16
    across = max(1, (width - 1) // each)
    lines = []
    for start in range(0, len(partitions), across):
        parts: list[tuple[str, Style]] = [(" ", Style.null())]
        for partition in partitions[start : start + across]:
            lag = "?" if partition.lag < 0 else cells.short(partition.lag)
            running = partition.state.lower() == "running"
            ink = palette.good if running else palette.warn
            parts.append(("✓ " if running else "! ", ink))
            parts.append((cells.fit(f"p{partition.partition} lag {lag}", each - 2), Style.null()))
        lines.append(line(*parts, width=width))
    return lines


def pipeline_line(snapshot: Snapshot, width: int, palette: Palette) -> Text:
    """The throughput of the pipeline, its queue, and the latency from the record's timestamp to its commit."""
    return line(
        (f"   {snapshot.rate:,.0f}/s".replace(",", " "), Style.null()),
        (f"  queue {cells.grouped(snapshot.writer_queue)}", Style.null()),
        ("  to commit", palette.dim),
        f"  p50 {cells.latency(snapshot.latency_p50)}",
        f"  p95 {cells.latency(snapshot.latency_p95)}  p99 {cells.latency(snapshot.latency_p99)}",
        width=width,
    )


def dead_letter_lines(letters: tuple[DeadLetter, ...], width: int, palette: Palette) -> list[Text]:
    """Each dead letter: its time and offset, the reason, and the start of its payload."""
    lines = []
    for letter in letters:
        where = f" {letter.stored_at:%m-%d %H:%M:%S}  {letter.topic}/{letter.partition}@{letter.offset}  "
        lines.append(line((where, palette.dim), (letter.reason, palette.warn), width=width))
        lines.append(line((f"   {letter.excerpt}", palette.dim), width=width))
    return lines


def event_line(event: TimelineEvent, width: int, palette: Palette) -> Text:
    """One change in one line: a mark for its level, its time, worker or analyst, and what happened."""
    mark, ink = {
        "error": ("✗", palette.bad),
        "warning": ("!", palette.warn),
        "info": ("·", palette.dim),
    }[event.level]
    return line(
        (f" {mark} ", ink),
        (f"{event.at:%H:%M:%S}Z ", palette.dim),
        f"{cells.fit(event.subject or event.kind, 13)} ",
        (event.text, ink if event.level == "error" else Style.null()),
        width=width,
    )


class HealthPane(TextPane):
    """The pane of component health."""
