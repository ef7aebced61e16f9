"""`score`: the detectors over a file in event time, without any server."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console

from domain.transaction import Transaction
from domain.verdict import DetectorChoice, Verdict
from services.errors import UserError
from services.models.offline import CHUNK, Judged, OfflineScorer
from services.progress import progress
from services.records.export import cell
from services.records.files import InvalidRow, RowFile, open_rows
from services.records.mapping import Mapping
from services.sending.file import report
from services.settings import Settings

COLUMNS = ("transaction_id", "detector", "score", "threshold", "flagged", "severity", "reasons")


def score(
    settings: Settings,
    path: Path,
    *,
    detector: DetectorChoice,
    output: Path,
    mapping: Mapping | None,
) -> int:
    """Write one line per transaction and detector to `output`. Returns 1 when rows had to be left out."""
    console = Console(stderr=True)
    rejected: list[InvalidRow] = []
    scorer = OfflineScorer(detector, settings.alert_rate)
    count = flagged = 0
    try:
        file = output.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(f"Cannot write {output}: {error}") from error
    with open_rows(path, mapping) as rows, file, progress(console) as bar:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        task = bar.add_task(f"scoring {path.name}", total=rows.size)

        def write(judged: Iterable[Judged]) -> None:
            nonlocal count, flagged
            for transaction, verdicts in judged:
                count += 1
                for verdict in verdicts:
                    flagged += verdict.flagged
                    writer.writerow(_line(transaction, verdict))
            bar.update(task, completed=rows.position)

        for chunk in _chunks(rows, rejected):
            write(scorer.score(chunk))
        write(scorer.finish())
    console.print(f"{count:,} transactions scored, {flagged:,} flagged, {len(rejected):,} rows left out: {output}")
    report(rejected, rows.remarks)
    return 1 if rejected or rows.remarks else 0


def _chunks(rows: RowFile, rejected: list[InvalidRow]) -> Iterator[list[Transaction]]:
    chunk = []
    for row in rows:
        if isinstance(row, InvalidRow):
            rejected.append(row)
            continue
        chunk.append(row[0])
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    yield chunk


def _line(transaction: Transaction, verdict: Verdict) -> tuple[object, ...]:
    reasons = "; ".join(reason.text or reason.feature for reason in verdict.reasons)
    return (
        cell(transaction.transaction_id),
        verdict.detector,
        repr(verdict.score),
        repr(verdict.threshold),
        "true" if verdict.flagged else "false",
        verdict.severity.value,
        cell(reasons),
    )
