"""`score`: the detectors over a file in event time, without any server."""

import csv
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TextIO

from rich.console import Console

from domain.transaction import Transaction
from domain.verdict import DetectorChoice, Verdict
from services import account
from services.account import counted
from services.errors import UserError
from services.models import schedule
from services.models.offline import CHUNK, Judged, OfflineScorer
from services.process.output import while_read
from services.progress import progress
from services.records.export import cell
from services.records.files import Reading, open_rows
from services.records.intake import Intake
from services.records.mapping import Mapping
from services.settings import Settings

DECIMALS = 9
"""Of scores and thresholds, as they are stored: a file's verdicts compare with those of an engine to the last digit."""

STANDARD_OUTPUT = Path("-")

COLUMNS = ("transaction_id", "detector", "score", "threshold", "flagged", "severity", "reasons")


@while_read
def score(
    settings: Settings,
    path: Path,
    *,
    detector: DetectorChoice,
    output: Path,
    mapping: Mapping | None,
    reading: Reading | None = None,
) -> int:
    """Write one line per transaction and detector to `output`, to standard output for "-".

    Returns 1 when rows had to be left out.
    """
    console = Console(stderr=True)
    scorer = OfflineScorer(detector, settings.policy)
    flagged = 0
    with open_rows(path, mapping, reading) as rows, _open(output, path) as file:
        account.tell(console, rows.remarks)
        intake = Intake(rows)
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        with progress(console) as bar:
            task = bar.add_task(f"scoring {rows.source.name}", total=rows.size)

            def write(judged: Iterable[Judged]) -> None:
                nonlocal flagged
                for transaction, verdicts in judged:
                    flagged += any(verdict.flagged for verdict in verdicts)
                    for verdict in verdicts:
                        writer.writerow(_line(transaction, verdict))
                bar.update(task, completed=rows.position)

            transactions = (transaction for transaction, _ in intake)
            while chunk := list(islice(transactions, CHUNK)):
                write(scorer.score(chunk))
            write(scorer.finish())
    if intake.taken and not scorer.fitted:
        account.tell(
            console,
            [
                f"Nothing was judged: the detectors learn from the first {schedule.next_fit(0):,} transactions, and "
                f"this file has {intake.taken:,}. The scores are all 0."
            ],
        )
    taken = f"{counted(intake.taken, 'transaction')} scored ({flagged:,} flagged)"
    where = () if output == STANDARD_OUTPUT else (f"The scores are in {output}.",)
    return account.close(console, intake, taken, *where)


def _open(output: Path, source: Path) -> AbstractContextManager[TextIO]:
    if output == STANDARD_OUTPUT:
        return nullcontext(sys.stdout)
    try:
        if output.exists() and source.exists() and output.samefile(source):
            raise UserError(f"{output} is the file to read; name another with --output.")
        return output.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(f"Cannot write {output}: {error.strerror}.") from error


def _line(transaction: Transaction, verdict: Verdict) -> tuple[object, ...]:
    reasons = "; ".join(reason.text or reason.feature for reason in verdict.reasons)
    return (
        cell(transaction.transaction_id),
        verdict.detector,
        repr(round(verdict.score, DECIMALS)),
        repr(round(verdict.threshold, DECIMALS)),
        "true" if verdict.flagged else "false",
        verdict.severity.value,
        cell(reasons),
    )
