"""`anomaly-tui evaluate`: how well the detectors rank labelled transactions, beside simple baselines.

Labels are read for the table only. The detectors run as in production: fitted when and on what the engine would
fit them, each transaction scored before it is learnt.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from detectors.inputs import euros
from detectors.policy import Policy
from domain.quality import DetectorQuality, Scoreboard
from domain.sanitize import sanitize
from domain.transaction import GroundTruth, Transaction
from services import account
from services.account import counted
from services.commands.database import open_store
from services.commands.quality import AT_THRESHOLD
from services.errors import UserError
from services.models.feedback import DelayedLabels
from services.models.offline import CHUNK, Judged, OfflineScorer
from services.progress import progress
from services.records.files import Reading, open_rows
from services.records.intake import Intake
from services.records.labels import is_anomalous, label_text
from services.records.mapping import Mapping
from services.records.paths import is_absent
from services.settings import Settings

FALSE_POSITIVE_RATE = 0.01
AT_FPR = f"recall at {FALSE_POSITIVE_RATE:.0%} FPR"
FIRST_SEED = 70_001
"""Seeds from here on were never looked at while the detectors were developed."""

_SIMULATED_FROM = datetime(2026, 1, 5, tzinfo=UTC)
_EARLIER_AMOUNTS = 200


class Labelled(NamedTuple):
    """A transaction, its ground truth, and for simulated ones the log odds of the oracle."""

    transaction: Transaction
    truth: GroundTruth | None
    odds: float | None = None


class Scored(NamedTuple):
    """A labelled stream after scoring: arrays of shape (n,), rankings by name, and the rows to report on.

    `kinds` holds the kind of anomaly, "" for ordinary transactions; `flagged` is by detector.
    """

    rankings: dict[str, NDArray[np.float64]]
    flagged: dict[str, NDArray[np.bool_]]
    anomalous: NDArray[np.bool_]
    kinds: NDArray[np.str_]
    reported: NDArray[np.bool_]


class Result(NamedTuple):
    """One ranking's figures; `recall` and `by_kind` are at `FALSE_POSITIVE_RATE`.

    `caught` is the recall at the detector's own threshold; it and what is flagged are None for other rankings.
    """

    auc: float
    average_precision: float
    recall: float
    caught: float | None
    flagged: float | None
    ordinary_flagged: float | None
    by_kind: dict[str, float]
    quality: DetectorQuality | None = None
    """The detector's figures as the engine counts them, for the reliability of its scores."""


def evaluate_file(
    settings: Settings,
    path: Path,
    *,
    mapping: Mapping | None,
    skip: int,
    without: frozenset[str],
    labels_after: int | None = None,
    reading: Reading | None = None,
) -> int:
    """Print the table for a labelled file. Raises UserError when there is nothing to rank.

    With `labels_after` every fraud is confirmed to the detectors that many days later, as by an analyst.
    """
    console = Console(stderr=True)
    with open_rows(path, mapping, reading) as rows, progress(console) as bar:
        account.tell(console, rows.remarks)
        intake = Intake(rows)
        task = bar.add_task(f"scoring {rows.source.name}", total=rows.size)

        def labelled() -> Iterator[Labelled]:
            for transaction, truth in _oldest_first(intake, console):
                bar.update(task, completed=rows.position)
                yield Labelled(transaction, truth or _labelled(transaction))

        late = None if labels_after is None else DelayedLabels(labels_after)
        scored = score(labelled(), settings.policy, skip=skip, without=without, late=late)
    _print(rows.source.name, [scored])
    return account.close(console, intake, f"{counted(intake.taken, 'transaction')} evaluated")


def _oldest_first(
    rows: Iterable[tuple[Transaction, GroundTruth | None]], console: Console
) -> Iterator[tuple[Transaction, GroundTruth | None]]:
    """The rows as they happened, also of a list that begins with the newest, as `transactions --csv` writes it."""
    unread = iter(rows)
    start = list(islice(unread, CHUNK))
    if start and start[0][0].timestamp > start[-1][0].timestamp:
        account.tell(console, ["The newest rows come first: read from the last one on."])
        return reversed([*start, *unread])
    return chain(start, unread)


def evaluate_stored(settings: Settings, *, skip: int, without: frozenset[str], labels_after: int | None = None) -> int:
    """Print the table for all that is stored, scored again from the first transaction on.

    The truth is what the producer sent, or else what people decided. Raises UserError when there is nothing to rank.
    """
    late = None if labels_after is None else DelayedLabels(labels_after)
    with asyncio.Runner() as runner, progress(Console(stderr=True)) as bar:
        stack = contextlib.AsyncExitStack()
        try:
            store = runner.run(stack.enter_async_context(open_store(settings)))
            task = bar.add_task("scoring what is stored", total=runner.run(store.count()))
            history = store.truth.history()
            stack.push_async_callback(history.aclose)

            async def some() -> list[tuple[Transaction, GroundTruth | None]]:
                rows = []
                async for row in history:
                    rows.append(row)
                    if len(rows) == CHUNK:
                        break
                return rows

            def stream() -> Iterator[Labelled]:
                while rows := runner.run(some()):
                    bar.advance(task, len(rows))
                    yield from (Labelled(*row) for row in rows)

            scored = score(stream(), settings.policy, skip=skip, without=without, late=late)
        finally:
            runner.run(stack.aclose())
    _print("what is stored", [scored])
    return 0


def evaluate_simulator(settings: Settings, *, seeds: int, rows: int, skip: int) -> int:
    """Print the table for the simulator's traffic at a human pace: the mean over `seeds` populations."""
    found = []
    with progress(Console(stderr=True)) as bar:
        task = bar.add_task("scoring simulated traffic", total=seeds * rows)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):

            def stream(seed: int = seed) -> Iterator[Labelled]:
                for row in islice(_simulated(settings, seed), rows):
                    bar.advance(task)
                    yield row

            found.append(score(stream(), settings.policy, skip=skip))
    _print(f"simulator, {settings.users} users, {seeds} seed{'s' if seeds > 1 else ''}", found)
    return 0


def _simulated(settings: Settings, seed: int) -> Iterator[Labelled]:
    from simulator import Simulator, rate_of
    from simulator.oracle import Oracle

    rate = rate_of(settings.users)
    simulator = Simulator(settings.users, settings.anomaly_rate, seed, start=_SIMULATED_FROM, rate=rate)
    return (Labelled(*row) for row in Oracle(simulator).stream())


def _labelled(transaction: Transaction) -> GroundTruth | None:
    """The truth of a file with columns `label` and `scenario`, or `anomalous` and `kind` as we write them ourselves.

    They have no other meaning to us, so that they are in `extra`; one that is empty, or none of the usual ones, says
    that nothing is known.
    """
    extra = transaction.extra or {}
    for label, kind, prefix in (("label", "scenario", "scenario "), ("anomalous", "kind", "")):
        value = extra.get(label)
        text = "" if is_absent(value) else label_text(value)
        if text:
            anomalous = is_anomalous(text)
            if anomalous is None:
                return None
            named = extra.get(kind) if anomalous else None
            return GroundTruth(anomalous, None if named in (None, "") else f"{prefix}{named}")
    return None


def score(
    stream: Iterable[Labelled],
    policy: Policy,
    *,
    skip: int = 0,
    without: frozenset[str] = frozenset(),
    late: DelayedLabels | None = None,
) -> Scored:
    """Score a labelled stream as the engine would; `late` confirms frauds to the detectors, where it is given.

    The first `skip` rows, rows whose column `evaluated` is false, rows without a label and anomalies of the kinds
    `without` are scored and learnt, but not reported. Raises UserError when no row has a label.
    """
    robust = _RobustZ()
    columns: dict[str, list[float]] = defaultdict(list)
    flagged: dict[str, list[bool]] = defaultdict(list)
    anomalous: list[bool] = []
    kinds: list[str] = []
    reported: list[bool] = []
    classes: set[bool] = set()
    scorer = OfflineScorer("both", policy, late.at if late is not None else None)
    rows = iter(stream)
    # Rows given to the scorer whose verdicts are still to come, such as those before the first fit.
    known: dict[str, Labelled] = {}

    def judged() -> Iterator[Judged]:
        while chunk := list(islice(rows, CHUNK)):
            known.update((labelled.transaction.transaction_id, labelled) for labelled in chunk)
            yield from scorer.score([labelled.transaction for labelled in chunk])
        yield from scorer.finish()

    for transaction, verdicts in judged():
        _, truth, odds = known.pop(transaction.transaction_id)
        fraud = truth is not None and truth.anomalous
        kind = (truth.kind or "") if truth is not None and fraud else ""
        amount = euros(transaction.amount, transaction.currency)
        for verdict in verdicts:
            columns[verdict.detector].append(verdict.score)
            flagged[verdict.detector].append(verdict.flagged)
        columns["amount only"].append(amount)
        columns["robust z"].append(robust.score(transaction.user_id, amount))
        if odds is not None:
            columns["oracle"].append(odds)
        if late is not None:
            late.add(transaction, fraud)
        if truth is not None:
            classes.add(fraud)
        anomalous.append(fraud)
        kinds.append(kind)
        asked_for = (transaction.extra or {}).get("evaluated", True) not in (False, 0, "0", "false", "False")
        reported.append(truth is not None and asked_for and len(reported) >= skip and kind not in without)
    found = Scored(
        {name: np.array(values) for name, values in columns.items()},
        {name: np.array(values) for name, values in flagged.items()},
        np.array(anomalous, bool),
        np.array(kinds, str),
        np.array(reported, bool),
    )
    if len(set(found.anomalous[found.reported].tolist())) < 2:
        raise _nothing_to_report(len(reported), skip, labelled=len(classes) == 2)
    return found


def _nothing_to_report(rows: int, skip: int, *, labelled: bool) -> UserError:
    if labelled and rows <= skip:
        return UserError(
            f"There are {rows:,} rows, and the first {skip:,} are learnt from and not reported on: --skip-rows "
            f"{rows // 3} reports on the last two thirds, --skip-rows 0 on all."
        )
    return UserError(
        "There are no anomalous or no ordinary rows to report on. A file needs a column `label` or `anomalous` with 1, "
        "true, yes or fraud and their opposites, or a mapping with a section [label]; what is stored needs ground "
        "truth, or decisions of both kinds. --skip-rows 0 leaves out none at the start."
    )


class _RobustZ:
    """Distance from the median of the user's earlier amounts, in median absolute deviations."""

    def __init__(self) -> None:
        self._earlier: dict[str, list[float]] = defaultdict(list)

    def score(self, user: str, amount: float) -> float:
        """The distance of `amount`, which is then one of the earlier ones; 0 for the first three."""
        own = self._earlier[user]
        found = 0.0
        if len(own) >= 3:
            middle = median(own)
            found = (amount - middle) / (1.4826 * median(abs(earlier - middle) for earlier in own) + 1.0)
        own.append(amount)
        if len(own) > _EARLIER_AMOUNTS:
            del own[0]
        return found


def results(scored: Scored) -> dict[str, Result]:
    """The figures of every ranking."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    kept = scored.reported
    label, kinds = scored.anomalous[kept], scored.kinds[kept]
    found = {}
    for name, ranking in scored.rankings.items():
        values = ranking[kept]
        bar = float(np.quantile(values[~label], 1.0 - FALSE_POSITIVE_RATE))
        flags = scored.flagged.get(name)
        found[name] = Result(
            float(roc_auc_score(label, values)),
            float(average_precision_score(label, values)),
            float((values[label] > bar).mean()),
            None if flags is None else float(flags[kept][label].mean()),
            None if flags is None else float(flags[kept].mean()),
            None if flags is None else float(flags[kept][~label].mean()),
            {str(kind): float((values[kinds == kind] > bar).mean()) for kind in sorted(set(kinds[label].tolist()))},
            None if flags is None else _quality(label, values, flags[kept]),
        )
    return found


def _quality(label: NDArray[np.bool_], scores: NDArray[np.float64], flags: NDArray[np.bool_]) -> DetectorQuality:
    scoreboard = Scoreboard()
    for anomalous, score, flagged in zip(label.tolist(), scores.tolist(), flags.tolist(), strict=True):
        scoreboard.count("enhanced", anomalous, None, flagged=flagged, score=score)
    return scoreboard.qualities[0]


def _print(title: str, streams: list[Scored]) -> None:
    """One table: a column for each ranking, the mean over the streams in each cell."""
    every = [results(scored) for scored in streams]
    names = list(every[0])
    reported = sum(int(scored.reported.sum()) for scored in streams)
    anomalous = sum(int((scored.reported & scored.anomalous).sum()) for scored in streams)
    table = Table("", *names, title=f"{sanitize(title)}: {reported:,} rows reported, {anomalous:,} anomalous")
    for column in table.columns[1:]:
        column.justify = "right"

    def add(label: str, figure: Any, shown: str) -> None:
        cells = []
        for name in names:
            values = [value for result in every if (value := figure(result[name])) is not None]
            cells.append(format(mean(values), shown) if values else "")
        table.add_row(label, *cells)

    add("ROC-AUC", lambda result: result.auc, ".3f")
    add("average precision", lambda result: result.average_precision, ".3f")
    add(AT_FPR, lambda result: result.recall, ".3f")
    add(AT_THRESHOLD, lambda result: result.caught, ".3f")
    add("precision", lambda result: result.quality and result.quality.precision, ".3f")
    add("precision, estimated", lambda result: result.quality and result.quality.estimated, ".3f")
    add("alert rate", lambda result: result.flagged, ".2%")
    add("ordinary flagged", lambda result: result.ordinary_flagged, ".2%")
    table.add_section()
    kinds = sorted({kind for result in every for kind in result[names[0]].by_kind} - {""})
    if kinds:
        table.add_row(f"{AT_FPR}, by kind")
    for kind in kinds:
        add(f"  {sanitize(kind)}", lambda result, kind=kind: result.by_kind.get(kind), ".3f")
    table.add_section()
    table.add_row("anomalous, by score")
    for tenth in range(10):
        add(f"  {tenth / 10:.1f} to {(tenth + 1) / 10:.1f}", lambda result, t=tenth: _realised(result, t), ".3f")
    Console().print(table)


def _realised(result: Result, tenth: int) -> float | None:
    """The share of anomalies among the scores of one tenth; None where there are none."""
    bands = result.quality.bands if result.quality else ()
    return next((band.realised for band in bands if round(band.low * 10) == tenth), None)
