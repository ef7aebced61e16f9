"""Event times as sources write them: ISO 8601 and RFC 3339, epochs, patterns, and local times of a zone."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.records.validation import InvalidRecord, described, quoted

FORMATS = ("rfc3339", "s", "ms", "us", "ns", "auto")
AMBIGUOUS = "ambiguous local time"
"""The remark on a time that the clocks of its zone showed twice; the first is taken."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_MOST_TICKS = 10**22
_DIGIT = re.compile("[0-9]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DATE = r"\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d(?:-?\d)?|\d{4}-\d{3}"
_CLOCK = r"(?P<clock>\d\d(?::\d\d(?::(?P<second>\d\d))?|\d\d(?P<packed>\d\d)?)?)(?P<fraction>[.,]\d+)?"
_ORDINAL = re.compile(r"\d{4}-\d{3}", re.ASCII)
_ZONE = r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?"
_ISO = re.compile(rf"(?P<date>{_DATE})(?:[T ]{_CLOCK} ?{_ZONE})?", re.ASCII)


class Instant(NamedTuple):
    """A moment in UTC, and the remark to make on it, if any."""

    at: datetime
    remark: str | None = None


@dataclass(frozen=True)
class TimeFormat:
    """How a source writes times: one of `FORMATS` or a strptime pattern, and the zone of those that name none.

    RFC 3339 and ISO 8601 are read whatever the format says, so that a topic may have records of ours beside others.
    """

    form: str = "rfc3339"
    zone: ZoneInfo | None = field(default=None)

    def read(self, value: Any) -> Instant:
        """The moment that a value names. Raises: InvalidRecord."""
        if isinstance(value, datetime):
            return self._placed(value, value)
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise InvalidRecord(f"timestamp is {described(value)}, not {self._wanted}")
        if "%" in self.form:
            return self._by_pattern(value)
        if not isinstance(value, str):
            return self._by_epoch(value, Decimal(repr(value) if isinstance(value, float) else value))
        text = value.strip()
        if self.form != "rfc3339" and _NUMBER.fullmatch(text):
            return self._by_epoch(value, Decimal(text))
        return self._by_iso(text)

    @property
    def _wanted(self) -> str:
        return "an RFC 3339 timestamp" if self.form == "rfc3339" else f"a time of timestamp_format {quoted(self.form)}"

    def _by_pattern(self, value: Any) -> Instant:
        try:
            local = datetime.strptime(str(value), self.form)
        except (ValueError, OverflowError):
            if isinstance(value, str) and _ISO.fullmatch(value.strip().upper()):
                return self._by_iso(value.strip())
            raise self._mismatch(value) from None
        return self._placed(local, value)

    def _by_epoch(self, value: Any, number: Decimal) -> Instant:
        if self.form == "rfc3339":
            raise self._unitless(value)
        if not number.copy_abs() < _MOST_TICKS:
            raise self._mismatch(value)
        try:
            unit = _unit_of(number) if self.form == "auto" else self.form
            return Instant(_EPOCH + timedelta(microseconds=int(number * 1_000_000 / _PER_SECOND[unit])))
        except (ValueError, ArithmeticError):
            raise self._mismatch(value) from None

    def _by_iso(self, text: str) -> Instant:
        found = _ISO.fullmatch(text.upper())
        if found is None and _NUMBER.fullmatch(text):
            raise self._unitless(text)
        if found is None:
            by_pattern = "; a mapping reads it with its pattern as timestamp_format" if _DIGIT.search(text) else ""
            raise InvalidRecord(f"timestamp is {described(text)}, not {self._wanted}{by_pattern}")
        date, clock = found["date"], found["clock"] or "00"
        second = found["second"] or found["packed"]
        later = timedelta(0)
        if second == "60":
            clock, later = f"{clock[:-2]}59", timedelta(seconds=1)
        elif clock.replace(":", "").rstrip("0") == "24" and not (found["fraction"] or "").strip(".,0"):
            clock, later = clock.replace("24", "00", 1), timedelta(days=1)
        try:
            day = datetime.strptime(date, "%Y-%j") if _ORDINAL.fullmatch(date) else datetime.fromisoformat(date)
            # A leap second has no fraction here: it is the second after, which may have one of its own.
            fraction = "" if second == "60" or not second else (found["fraction"] or "")
            if found["fraction"] and not second:
                raise ValueError("a fraction of a minute or an hour")
            local = datetime.fromisoformat(f"{day.date()}T{clock}{fraction}{found['zone'] or ''}") + later
        except (ValueError, OverflowError):
            raise InvalidRecord(f"timestamp {quoted(text)} is a time that does not exist") from None
        placed = self._placed(local, text)
        if second == "60" and (placed.at.hour, placed.at.minute, placed.at.second) != (0, 0, 0):
            raise InvalidRecord(f"timestamp {quoted(text)} has a second 60, which only 23:59 UTC can have")
        return placed

    def _placed(self, local: datetime, value: Any) -> Instant:
        if local.tzinfo is None and self.zone is None:
            return Instant(local.replace(tzinfo=UTC))
        first = local if local.tzinfo is not None else local.replace(tzinfo=self.zone, fold=0)
        try:
            at = first.astimezone(UTC)
        except OverflowError:
            raise InvalidRecord(f"timestamp {quoted(str(value))} is outside the years 1..9999 in UTC") from None
        if local.tzinfo is not None or self.zone is None:
            return Instant(at)
        if at.astimezone(self.zone).replace(tzinfo=None, fold=0) != local:
            raise InvalidRecord(
                f"timestamp {quoted(str(value))} does not exist in {self.zone.key}: its clocks were put forward then"
            )
        twice = first.utcoffset() != first.replace(fold=1).utcoffset()
        return Instant(at, AMBIGUOUS if twice else None)

    def _unitless(self, value: Any) -> InvalidRecord:
        return InvalidRecord(f"timestamp {quoted(value)} is a number; name its unit with timestamp_format in a mapping")

    def _mismatch(self, value: Any) -> InvalidRecord:
        return InvalidRecord(f"timestamp {quoted(value)} does not match timestamp_format {quoted(self.form)}")


def joined(parts: list[Any], form: str) -> str:
    """A date and a time in several fields as one text: by ISO 8601, or with spaces between for a pattern.

    Numbers are year, month and day, then hour, minute and second or a time in one field.
    """
    texts = [str(part).strip() for part in parts]
    if "%" in form or len(texts) < 3 or not all(text.isdigit() for text in texts[:3]):
        return " ".join(texts)
    year, month, day, *clock = texts
    if len(clock) == 1:
        clock = clock[0].split(":")
    hour, minute, *second = (*(part.zfill(2) for part in clock), "00", "00")[: max(2, len(clock))]
    return f"{year.zfill(4)}-{month.zfill(2)}-{day.zfill(2)}T{':'.join((hour, minute, *second))}"


def _unit_of(number: Decimal) -> str:
    # Seconds reach 10^11 in the year 5138, milliseconds pass it in March 1973: the ranges do not meet.
    size = abs(number)
    return "s" if size < 10**11 else "ms" if size < 10**14 else "us" if size < 10**17 else "ns"
