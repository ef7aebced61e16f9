"""Rows on their way out of the system: CSV, JSON lines, and one readable line.

Texts from outside are sanitised, amounts stay exact decimals, times are RFC 3339.
"""

import csv
import errno
import io
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

import msgspec

from domain import transaction as transactions
from domain.currency import CURRENCIES, exponent
from domain.filters.nodes import REASON_COUNTS_FROM
from domain.sanitize import sanitize
from domain.transaction import NO_DEVICE, NO_MERCHANT, NOWHERE, Device, GroundTruth, Location, Merchant
from domain.triage import Triage
from domain.verdict import ScoredTransaction, Verdict

COLUMNS = (
    *(column.name for column in transactions.COLUMNS),
    "flagged",
    "severity",
    "score",
    "threshold",
    "basic_score",
    "basic_flagged",
    "enhanced_score",
    "enhanced_flagged",
    "why",
    "anomalous",
    "kind",
    "triage",
    "stored_at",
)
"""The columns of exported transactions; severity, score, threshold and why are those that the row is listed with."""

_values = attrgetter(*(column.path for column in transactions.COLUMNS))
_FORMULA = ("=", "+", "-", "@", "\t", "\0")


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A transaction with everything that is known of it, as JSON has it. `amount` has no exponent."""

    transaction_id: str
    user_id: str
    amount: str
    currency: str
    timestamp: datetime
    location: Location = NOWHERE
    transaction_type: str | None = None
    merchant: Merchant = NO_MERCHANT
    payment_method: str | None = None
    device: Device = NO_DEVICE
    extra: dict[str, Any] | None = None
    flagged: bool
    verdicts: tuple[Verdict, ...]
    stored_at: datetime
    truth: GroundTruth | None
    triage: Triage | None


class Format(StrEnum):
    """How rows are written; the value is the ending of a file's name."""

    CSV = "csv"
    JSONL = "jsonl"

    @property
    def head(self) -> str:
        """What stands before the first row."""
        return csv_text([COLUMNS]) if self is Format.CSV else ""

    def lines(self, rows: Iterable[ScoredTransaction]) -> str:
        """The rows as text: one line each, ended."""
        if self is Format.CSV:
            return csv_text(map(_cells, rows))
        return "".join(map(json_line, rows))


class ExportFile:
    """Rows in a file that is there whole or not at all.

    Without `replace` a file that exists is left alone: `open` raises FileExistsError. With it the old file stays
    until `finish`. Every method but `discard` raises OSError.
    """

    def __init__(self, path: Path, format: Format, *, replace: bool = False) -> None:
        self._path = path
        self._format = format
        self._draft = path.with_name(f".{path.name}.{os.getpid()}") if replace else path
        self._file: IO[str] | None = None

    def open(self) -> None:
        """Make the file and write what stands before the rows."""
        if self._path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        self._file = self._draft.open("x", encoding="utf-8", newline="")
        self._file.write(self._format.head)

    def write(self, rows: Iterable[ScoredTransaction]) -> None:
        """Append rows."""
        assert self._file is not None
        self._file.write(self._format.lines(rows))

    def finish(self) -> None:
        """Close the file; from now on it is at its path."""
        assert self._file is not None
        self._file.close()
        if self._draft != self._path:
            self._draft.replace(self._path)

    def discard(self) -> None:
        """Leave no trace of what was written."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._draft.unlink(missing_ok=True)


def cell(text: str) -> str:
    """A text from outside as a CSV cell: safe to print, and never taken for a formula (CWE-1236)."""
    safe = sanitize(text)
    return f"'{safe}" if text.startswith(_FORMULA) else safe


def csv_text(lines: Iterable[Iterable[object]]) -> str:
    """Lines of cells by RFC 4180; texts from outside must have passed `cell`."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue()


def json_line(value: object) -> str:
    """A row, or any value of ours, as one line of JSON: every text in it sanitised, amounts as strings."""
    return safe_json(_row(value) if isinstance(value, ScoredTransaction) else value) + "\n"


def _row(scored: ScoredTransaction) -> Row:
    transaction = scored.transaction
    return Row(
        transaction_id=transaction.transaction_id,
        user_id=transaction.user_id,
        amount=exact(scored),
        currency=transaction.currency,
        timestamp=transaction.timestamp,
        location=transaction.location,
        transaction_type=transaction.transaction_type,
        merchant=transaction.merchant,
        payment_method=transaction.payment_method,
        device=transaction.device,
        extra=transaction.extra,
        flagged=scored.flagged,
        verdicts=scored.verdicts,
        stored_at=scored.stored_at,
        truth=scored.truth,
        triage=scored.triage,
    )


def safe_json(value: object) -> str:
    """A value as JSON without a line break in it, every text in it sanitised."""
    text = msgspec.json.encode(value).decode()
    # ASCII that JSON did not have to escape has at most one character that is not safe.
    if (not text.isascii() and sanitize(text) != text) or "\\" in text or "\x7f" in text:
        text = msgspec.json.encode(_sanitised(msgspec.json.decode(text))).decode()
    return text


def readable(row: ScoredTransaction) -> str:
    """A transaction in one line for people: when, who, how much, where, and what was said of it."""
    transaction = row.transaction
    merchant, place = transaction.merchant, transaction.location
    where = " ".join(part for part in (place.city, place.country) if part)
    parts = [
        f"{transaction.timestamp:%Y-%m-%d %H:%M:%S}Z",
        transaction.user_id,
        f"{money(row)} {transaction.currency}",
        ", ".join(part for part in (merchant.name or merchant.id, merchant.category, where) if part),
    ]
    verdict = row.headline
    if verdict is not None:
        said = verdict.severity.value if verdict.flagged else "not flagged"
        parts.append(f"{verdict.detector} {verdict.score:.2f} of {verdict.threshold:.2f}: {said}")
        parts.append(why(verdict))
    parts.append(transaction.transaction_id)
    return sanitize("  ".join(part for part in parts if part))


def exact(row: ScoredTransaction) -> str:
    """The amount as it is, without an exponent."""
    return f"{row.transaction.amount:f}"


def money(row: ScoredTransaction) -> str:
    """The amount for people: grouped, with at least the decimals of its currency."""
    amount, currency = row.transaction.amount, row.transaction.currency
    given = amount.as_tuple().exponent
    least = exponent(currency) if currency in CURRENCIES else 2
    return f"{amount:,.{max(least, -given) if isinstance(given, int) else least}f}"


def why(verdict: Verdict) -> str:
    """The reasons of a verdict that carry weight, in words, the weightiest first."""
    named = [reason for reason in verdict.reasons if reason.factor != "other"]
    ordered = sorted(named, key=lambda reason: -reason.contribution)
    weighty = [reason for reason in ordered if reason.contribution >= REASON_COUNTS_FROM]
    return "; ".join(reason.text or reason.feature for reason in weighty or ordered[:1])


def timestamp(at: datetime) -> str:
    """A time by RFC 3339."""
    return str(msgspec.to_builtins(at))


def _cells(row: ScoredTransaction) -> list[object]:
    listed, by = row.headline, {verdict.detector: verdict for verdict in row.verdicts}
    basic, enhanced, truth = by.get("basic"), by.get("enhanced"), row.truth
    return [
        *map(_value, _values(row.transaction)),
        _yes(row.flagged),
        listed.severity.value if listed else "",
        _number(listed.score if listed else None),
        _number(listed.threshold if listed else None),
        _number(basic.score if basic else None),
        _yes(basic.flagged if basic else None),
        _number(enhanced.score if enhanced else None),
        _yes(enhanced.flagged if enhanced else None),
        cell(why(listed)) if listed else "",
        _yes(truth.anomalous if truth else None),
        _optional(truth.kind if truth else None),
        row.triage.status.value if row.triage else "",
        timestamp(row.stored_at),
    ]


def _value(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return timestamp(value)
    return _number(value) if isinstance(value, int | float) else _optional(None if value is None else str(value))


def _optional(text: str | None) -> str:
    return "" if text is None else cell(text)


def _number(number: float | None) -> str:
    return "" if number is None else repr(number)


def _yes(known: bool | None) -> str:
    return "" if known is None else "true" if known else "false"


def _sanitised(value: Any) -> Any:
    if isinstance(value, str):
        return sanitize(value)
    if isinstance(value, dict):
        return {sanitize(key): _sanitised(part) for key, part in value.items()}
    return [_sanitised(part) for part in value] if isinstance(value, list | tuple) else value
