"""Why a transaction was scored as it was: the verdict of each detector, and each reason with its share."""

import math
import textwrap

from rich.style import Style
from rich.text import Text

from domain.sanitize import sanitize
from domain.triage import Triage
from domain.verdict import Reason, ScoredTransaction, Verdict
from tui import cells
from tui.themes import Palette
from tui.widgets.drawing import TextPane, beside, line, rule

_ONE_LINE_FROM = 72
_BAR = 10
_NAME = 16
"""As long as the longest name of a feature that is a reason."""
_LEAST_BESIDE = 26
_LEAST_NAME = 10
_SENTENCE = 96
"""Characters of a sentence that there are lines for however narrow the column is."""


def why_lines(
    row: ScoredTransaction | None, width: int, palette: Palette, *, followed: bool = False, truth: bool = False
) -> list[Text]:
    """The pane for `row`, in lines of `width` cells, with its ground truth if `truth`.

    `followed` is True when the user did not select the row.
    """
    if row is None:
        return [line(*rule("Why", "", width, palette), width=width), line(" no transaction yet", width=width)]
    status = "newest anomaly" if followed and row.flagged else "newest" if followed else "selected"
    lines = [line(*rule("Why", status, width, palette), width=width), _what(row, width, palette)]
    known = _truth(row, width, palette) if truth else []
    if row.disagreed:
        return [*lines, *known, *both(row, width, palette)]
    for verdict in sorted(row.verdicts, key=lambda verdict: verdict.detector != "enhanced"):
        lines.append(judgement(verdict, width, palette))
    lead = cells.headline(row)
    lines += known
    if row.triage is not None:
        lines.append(triage_line(row.triage, width, palette))
    if lead is None or not lead.reasons:
        lines.append(line((" no reasons recorded", palette.dim), width=width))
        return lines
    lines.append(line((f" reasons ({lead.detector})", palette.dim), width=width))
    return lines + reason_lines(lead, width, palette)


def _truth(row: ScoredTransaction, width: int, palette: Palette) -> list[Text]:
    if row.truth is None:
        return []
    kind = f" ({row.truth.kind})" if row.truth.kind else ""
    truth = f"anomalous{kind}" if row.truth.anomalous else "normal"
    return [line((" truth    ", palette.dim), truth, width=width)]


def triage_line(triage: Triage, width: int, palette: Palette) -> Text:
    """A decision in one line: status, end, user and note."""
    until = f" until {triage.until:%Y-%m-%d %H:%M}" if triage.until else ""
    return line(
        (" triage   ", palette.dim),
        (cells.STATE_NAMES[triage.status], palette.strong),
        f"{until} by {triage.decided_by}",
        (f"  {triage.note}" if triage.note else "", palette.dim),
        width=width,
    )


def reason_lines(verdict: Verdict, width: int, palette: Palette, *, wrap: bool = False) -> list[Text]:
    """The reasons of a verdict, the largest share first. The bars are relative to the largest.

    Each sentence stands beside its bar where the width allows it, with `wrap` always below.
    """
    largest = max((abs(reason.contribution) for reason in verdict.reasons), default=0.0) or 1.0
    lines: list[Text] = []
    for reason in sorted(verdict.reasons, key=lambda reason: -reason.contribution):
        lines += _reason(reason, largest, width, palette, palette.of(verdict), wrap)
    return lines


def both(row: ScoredTransaction, width: int, palette: Palette) -> list[Text]:
    """Score, threshold and reasons of both detectors: side by side, or below each other where it is narrow."""
    each = (width - 1) // 2
    side_by_side = each >= _LEAST_BESIDE
    blocks = [
        [
            *_versus(verdict, each if side_by_side else width, palette),
            *reason_lines(verdict, each if side_by_side else width, palette, wrap=True),
        ]
        for verdict in sorted(row.verdicts, key=lambda verdict: verdict.detector != "enhanced")
    ]
    lead, known = row.verdict, row.headline
    said = " the detectors disagree"
    if lead is not None and known is not None and known.detector == "basic" != lead.detector and known.flagged:
        said = f" basic only: worth {cells.score(known.score)} to the detector that knows the user"
    head = line((said, palette.warn), width=width)
    if side_by_side:
        return [head, *beside(blocks, each + 1)]
    return [head, *(each_line for block in blocks for each_line in block)]


def _versus(verdict: Verdict, width: int, palette: Palette) -> list[Text]:
    """The score of one detector against its threshold, in two short lines; an error takes one."""
    if verdict.status == "error":
        return [judgement(verdict, width, palette)]
    ink = palette.of(verdict)
    said = cells.SEVERITY_NAMES[verdict.severity] if verdict.flagged else "no flag"
    if verdict.status == "warming":
        said = "warming up"
    sign = "≥" if verdict.score >= verdict.threshold else "<"
    return [
        line(
            (f" {verdict.detector:<8} ", palette.strong),
            (f"{cells.mark(verdict)} {cells.score(verdict.score)}", ink + palette.strong),
            f" {sign} {cells.score(verdict.threshold)} ",
            (said, ink),
            width=width,
        ),
        line(" ", (cells.gauge(verdict.score, verdict.threshold, width - 3), ink or palette.bar), width=width),
    ]


def _what(row: ScoredTransaction, width: int, palette: Palette) -> Text:
    transaction = row.transaction
    place = transaction.location
    who = f" {transaction.user_id}"
    spent = f"  {cells.money(transaction.amount, transaction.currency)} {transaction.currency}"
    where = f" {place.city or ''} {place.country or ''}"
    when = f"  {transaction.timestamp:%H:%M:%S}"
    name = f"  {transaction.merchant.name or transaction.merchant.id or ''}"
    # The name gives way to what comes after it.
    left = width - sum(map(cells.width, (who, spent, where, when)))
    shown = cells.fit(name, min(cells.width(name), max(left, _LEAST_NAME)))
    return line((who, palette.strong), spent, shown, where, (when, palette.dim), width=width)


def judgement(verdict: Verdict, width: int, palette: Palette) -> Text:
    """The score of one detector against its threshold, in one line."""
    ink = palette.of(verdict)
    name = f" {verdict.detector:<9}"
    if verdict.status == "error":
        return line(
            (name, palette.dim), (f"✗ error: {verdict.error or 'the detector raised'}", palette.bad), width=width
        )
    versus = "≥" if verdict.score >= verdict.threshold else "<"
    if verdict.status == "warming":
        said = "warming up"
    else:
        said = cells.SEVERITY_NAMES[verdict.severity] if verdict.flagged else "not flagged"
    return line(
        (name, palette.dim),
        (f"{cells.mark(verdict)} {cells.score(verdict.score)}", ink + palette.strong),
        f" {versus} {cells.score(verdict.threshold)} ",
        (cells.gauge(verdict.score, verdict.threshold, 14), ink or palette.bar),
        (f" {said:<11}", ink),
        (f" {verdict.model_version}", palette.dim),
        width=width,
    )


def _reason(reason: Reason, largest: float, width: int, palette: Palette, ink: Style, wrap: bool) -> list[Text]:
    share = cells.bar(abs(reason.contribution) / largest, max(1, min(_BAR, width - _NAME - 9)))
    sign = "-" if reason.contribution < 0 else "+"
    amount = f"{sign}{abs(reason.contribution):.2f}".replace("0.", ".", 1)
    sentence = reason.text or (f"{reason.observed}, expected {reason.expected}" if reason.observed else "")
    head = (
        (f" {cells.fit(reason.feature.replace('_', ' '), _NAME)} ", Style.null()),
        (share, (ink or palette.bar) if reason.contribution >= 0 else palette.good),
        (f" {amount:>5} ", palette.strong),
    )
    if not wrap and width >= _ONE_LINE_FROM:
        beside_bar = sum(len(text) for text, _ in head) + 1
        first, *more = _wrapped(sentence, width - beside_bar) or [""]
        return [
            line(*head, f" {first}", width=width),
            *(line(" " * beside_bar, part, width=width) for part in more),
        ]
    below = _wrapped(sentence, width - 4)
    return [line(*head, width=width), *(line((f"   {part}", palette.dim), width=width) for part in below)]


def _wrapped(sentence: str, width: int) -> list[str]:
    width = max(1, width)
    most = max(2, math.ceil(_SENTENCE / width))
    return textwrap.wrap(sanitize(sentence), width, max_lines=most, placeholder="…")


class WhyPane(TextPane):
    """The pane that explains the scores of one transaction."""
