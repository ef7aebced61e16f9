"""From syntax to conditions: which fields there are, what they may be compared with, and what that means."""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches

from domain.filters.fields import (
    CONDITIONS,
    EVERYWHERE,
    FIELDS,
    IDENTIFIERS,
    NUMBERS,
    SEVERITIES,
    SEVERITY,
    STATUSES,
    TEXTS,
    TIME,
)
from domain.filters.nodes import (
    All,
    Either,
    Node,
    Not,
    Number,
    NumberMatch,
    NumberSource,
    Pattern,
    ReasonMatch,
    SameText,
    TextMatch,
    TriageMatch,
)
from domain.filters.syntax import Comparison, Conjunction, Disjunction, FilterError, Free, Negation, Tree, Word

_NUMBER = re.compile(r"[+-]?(\d{1,18}(\.\d{0,12})?|\.\d{1,12})")
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def meaning_of(tree: Tree, now: datetime) -> Node:
    """The condition that a syntax tree states; relative times count back from `now`.

    Raises: FilterError for an unknown field, an operator the field has not, or a value it cannot have.
    """
    match tree:
        case Conjunction(terms):
            return All(tuple(meaning_of(term, now) for term in terms))
        case Disjunction(terms):
            return Either(tuple(meaning_of(term, now) for term in terms))
        case Negation(term):
            return Not(meaning_of(term, now))
        case Free(word):
            return TextMatch(EVERYWHERE, _pattern(word, "contains"))
        case Comparison(field, operator, values):
            one = _condition_of(field, operator, now)
            if len(values) > 1 and operator not in (":", "=", "!="):
                raise FilterError(f"{operator} takes one value; 1,000 is written 1000", values[1].position)
            found = tuple(one(value) for value in values)
            either = found[0] if len(found) == 1 else Either(found)
            return Not(either) if operator == "!=" else either


def _condition_of(field: Word, operator: str, now: datetime) -> Callable[[Word], Node]:
    """How this field and operator judge a value; != is the opposite of =, taken by the caller."""
    name = field.text.lower()
    if name not in FIELDS:
        near = get_close_matches(name, FIELDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FIELDS)}"
        raise FilterError(f"no field {name}: {hint}", field.position, FIELDS)
    if name in NUMBERS:
        return _comparing(NUMBERS[name], operator, lambda word: _number(word, NUMBERS[name]))
    if name in ("time", "since", "until"):
        return _comparing(TIME, _time_operator(field, operator), lambda word: _moment(word, now))
    if name == "severity":
        return _comparing(SEVERITY, operator, lambda word: SEVERITIES[_choice(word, SEVERITIES)])
    if operator not in (":", "=", "!="):
        position = field.position + len(field.text)
        raise FilterError(f"{name} is text: expected :, = or !=", position, (":", "=", "!="))
    if name == "is":
        return lambda word: CONDITIONS[_choice(word, CONDITIONS)]
    if name == "triage":
        return lambda word: TriageMatch(STATUSES[_choice(word, STATUSES)], now)
    how = "contains" if operator == ":" else "equals"
    if name == "why":
        return lambda word: ReasonMatch(_pattern(word, how))
    sources = TEXTS[name]
    if name in IDENTIFIERS and how == "equals":
        return lambda word: _same(word, name)
    return lambda word: TextMatch(sources, _pattern(word, how))


def _same(word: Word, name: str) -> Node:
    pattern = _pattern(word, "equals")
    return SameText(TEXTS[name][0], word.text) if pattern.how == "equals" else TextMatch(TEXTS[name], pattern)


def _comparing(source: NumberSource, operator: str, value: Callable[[Word], Number]) -> Callable[[Word], Node]:
    comparison = "=" if operator in (":", "!=") else operator
    return lambda word: NumberMatch(source, comparison, value(word))


def _time_operator(field: Word, operator: str) -> str:
    name = field.text.lower()
    if name == "time":
        return operator
    if operator not in (":", "="):
        raise FilterError(f"expected {name}:5m", field.position + len(field.text), (":",))
    return ">=" if name == "since" else "<="


def _pattern(word: Word, how: str) -> Pattern:
    if "*" in word.text and not word.quoted:
        return Pattern(word.text, "fits")
    return Pattern(word.text, how)


def _choice(word: Word, choices: Collection[str]) -> str:
    if word.text.lower() in choices:
        return word.text.lower()
    raise FilterError(f"expected one of {', '.join(choices)}", word.position, tuple(choices))


def _number(word: Word, source: NumberSource) -> Number:
    if not _NUMBER.fullmatch(word.text):
        raise FilterError("expected a number such as 500 or .9", word.position, ("a number",))
    return float(word.text) if source.cast == "float8" else Decimal(word.text)


def moment(text: str, now: datetime) -> datetime:
    """The time that `since:` would understand by `text`. Raises: FilterError."""
    return _moment(Word(text, 0), now)


def _moment(word: Word, now: datetime) -> datetime:
    """A time ago (90s, 5m, 2h, 3d, 1w), today, a time of today (12:30), a date, or a date and time; UTC."""
    text = word.text.lower()
    ago = _AGO.fullmatch(text)
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if text == "today":
            return midnight
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            hour, minute, *seconds = map(int, text.split(":"))
            return midnight.replace(hour=hour, minute=minute, second=seconds[0] if seconds else 0)
        moment = datetime.fromisoformat(text.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        expected = ("5m", "2h", "today", "12:30", "2026-03-01", "2026-03-01T12:30")
        raise FilterError(f"expected a time such as {', '.join(expected)}", word.position, expected) from None
