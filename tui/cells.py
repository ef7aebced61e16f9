"""Values as text for terminal cells. All text from outside is sanitised here."""

from datetime import datetime, timedelta
from decimal import Decimal

from rich.cells import cell_len, set_cell_size

from domain.currency import CURRENCIES, exponent
from domain.sanitize import sanitize
from domain.triage import TriageStatus
from domain.verdict import ScoredTransaction, Severity, Verdict

BLOCKS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_PREFIXES = ("", "k", "M", "G", "T", "P")

SEVERITY_NAMES = {
    Severity.NORMAL: "NORM",
    Severity.UNUSUAL: "UNUS",
    Severity.SUSPICIOUS: "SUSP",
    Severity.CRITICAL: "CRIT",
}
STATE_NAMES = {
    TriageStatus.OPEN: "open",
    TriageStatus.ACKNOWLEDGED: "ack",
    TriageStatus.CONFIRMED: "FRAUD",
    TriageStatus.FALSE_POSITIVE: "false+",
    TriageStatus.SNOOZED: "zzz",
    TriageStatus.OVER_BUDGET: "over",
}
_MARKS = {Severity.NORMAL: "●", Severity.UNUSUAL: "●", Severity.SUSPICIOUS: "◆", Severity.CRITICAL: "▲"}


def width(text: str) -> int:
    """Cells that `text` takes on a terminal, once sanitised."""
    return len(text) if text.isascii() else cell_len(sanitize(text))


def fit(text: str, width: int, right: bool = False) -> str:
    """`text`, sanitised, in exactly `width` cells. Longer text ends in an ellipsis."""
    if width <= 0:
        return ""
    text = sanitize(text)
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    padding = " " * (width - length)
    return padding + text if right else text + padding


def grouped(number: int) -> str:
    """An integer with a space between thousands: 50 000."""
    return f"{number:,}".replace(",", " ")


def short(number: float) -> str:
    """A count in at most five cells: 950, 12.3k, 4.1M."""
    index = 0
    while abs(number) >= 999.5 and index < len(_PREFIXES) - 1:
        number /= 1000
        index += 1
    return (
        f"{number:.0f}{_PREFIXES[index]}" if index == 0 or abs(number) >= 99.95 else f"{number:.1f}{_PREFIXES[index]}"
    )


def money(amount: Decimal | float, currency: str = "EUR", width: int = 0) -> str:
    """An amount with grouped thousands and at least the decimals of its currency.

    Where `width` is given and too small, the decimals are left out, then the number is shortened to one like 12.3k.
    """
    least = exponent(currency) if currency in CURRENCIES else 2
    value = amount if isinstance(amount, Decimal) else Decimal(f"{amount:.{least}f}")
    given = value.as_tuple().exponent
    decimals = max(least, -given) if isinstance(given, int) else least
    full = f"{value:,.{decimals}f}".replace(",", " ")
    if not width or len(full) <= width:
        return full
    whole = f"{value:,.0f}".replace(",", " ")
    return whole if len(whole) <= width else short(float(value))


def score(value: float) -> str:
    """A score in [0, 1] in three cells: .02, .98, 1.0."""
    text = f"{value:.2f}"
    return "1.0" if text == "1.00" else text[1:]


def mark(verdict: Verdict) -> str:
    """One cell that shows the severity without colour; blank when the verdict is not flagged."""
    if verdict.status == "error":
        return "✗"
    if verdict.flagged:
        return _MARKS[verdict.severity]
    return "~" if verdict.status == "warming" else " "


def headline(row: ScoredTransaction) -> Verdict | None:
    """The verdict that lists show for a row: the leading one, unless only another detector flagged it."""
    return row.headline


def flagged_by(row: ScoredTransaction) -> str:
    """Which detectors flagged the row, in eight cells at most."""
    names = [verdict.detector for verdict in row.verdicts if verdict.flagged]
    return "both" if len(names) > 1 else "".join(names)


def state(row: ScoredTransaction, now: datetime) -> str:
    """The triage status in at most seven cells; blank for a row that is neither flagged nor decided on."""
    if row.triage is None:
        return STATE_NAMES[TriageStatus.OPEN] if row.flagged else ""
    status = row.triage.effective(now)
    if status is TriageStatus.SNOOZED and row.triage.until is not None:
        return f"{STATE_NAMES[status]} {remaining(row.triage.until - now)}"
    return STATE_NAMES[status]


def remaining(span: timedelta) -> str:
    """The time left, rounded up, in three cells: 45m, 8h, 24h, 7d."""
    minutes = -(-span // timedelta(minutes=1))
    if minutes < 60:
        return f"{minutes}m"
    hours = -(-minutes // 60)
    return f"{hours}h" if hours < 48 else f"{-(-hours // 24)}d"


def why(verdict: Verdict, width: int) -> str:
    """The reasons of a verdict in one line: the first sentence where it fits, else the names of the factors."""
    if verdict.status == "error":
        return f"detector error: {verdict.error or 'unknown'}"
    named = [reason for reason in verdict.reasons if reason.factor != "other"]
    if not named:
        return ""
    ordered = sorted(named, key=lambda reason: -reason.contribution)
    if width >= 36 and ordered[0].text:
        return ordered[0].text
    factors = dict.fromkeys(reason.factor for reason in ordered if reason.contribution >= 0.25 * verdict.score)
    return "+".join(factors or (ordered[0].factor,))


def clock(at: datetime, today: datetime | None, width: int) -> str:
    """An event time: in milliseconds today, with its date and in minutes on another day."""
    if today is not None and at.date() != today.date():
        return f"{at:%m-%d %H:%M}" if width >= 11 else f"{at:%m-%d}"
    if width >= 12:
        return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"
    return f"{at:%H:%M:%S}" if width >= 8 else f"{at:%H:%M}"


def duration(span: timedelta | float) -> str:
    """A span in at most six cells: 0.4s, 38s, 12m04s, 3h05m, 2d04h."""
    seconds = max(0.0, span.total_seconds() if isinstance(span, timedelta) else span)
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def latency(seconds: float) -> str:
    """A latency: 38ms, 1.2s."""
    return f"{seconds * 1000:.0f}ms" if seconds < 0.9995 else duration(seconds)


def bar(share: float, width: int) -> str:
    """A horizontal bar of `share` in [0, 1] of `width` cells, to an eighth of a cell."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def gauge(value: float, threshold: float, width: int) -> str:
    """`value` in [0, 1] as a bar of `width` cells, with a tick at `threshold`."""
    width = max(width, 0)
    filled = round(max(0.0, min(1.0, value)) * width)
    cells = ["█"] * filled + ["·"] * (width - filled)
    if width:
        cells[min(width - 1, int(max(0.0, min(1.0, threshold)) * width))] = "┃"
    return "".join(cells)


def strip(values: tuple[float, ...], width: int) -> str:
    """The newest `width` values as block characters, scaled to the largest; zero is blank."""
    shown = values[-width:] if width > 0 else ()
    largest = max(shown, default=0.0)
    if largest <= 0:
        return "▁" * len(shown)
    return "".join(BLOCKS[max(1, round(value / largest * 8))] if value > 0 else BLOCKS[0] for value in shown)


def level(value: float, largest: float) -> str:
    """`value` as one block character, full at `largest`."""
    return BLOCKS[max(1, round(value / largest * 8))] if value > 0 and largest > 0 else BLOCKS[1]
