"""What may come next in a filter that is being typed: field names, choices, and values that were seen."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from domain.filters.fields import CONDITIONS, FIELDS, NUMBERS, SEVERITIES, STATUSES, TEXTS
from domain.filters.nodes import REASON_COUNTS_FROM, folded
from domain.verdict import ScoredTransaction

SeenValues = Callable[[str], Sequence[str]]
"""The values that a field of `SEEN_FIELDS` was seen with, the likeliest first."""

SEEN_FIELDS = frozenset([*TEXTS, "why"])
"""The fields whose values come from rows."""

_OFTEN = ("user", "amount", "merchant", "country", "score", "severity", "is", "why", "since", "category", "currency")
_ORDER = (*_OFTEN, *(name for name in FIELDS if name not in _OFTEN))
_TIMES = ("5m", "15m", "1h", "6h", "1d", "1w", "today")
_CHOICES: dict[str, tuple[str, ...]] = {
    "is": tuple(CONDITIONS),
    "severity": tuple(reversed(SEVERITIES)),
    "triage": tuple(STATUSES),
    **dict.fromkeys(("since", "until", "time"), _TIMES),
}
_COMPARISON = re.compile(r"([A-Za-z_]+)(!=|>=|<=|[<>:=])")
_BARE = re.compile(r"""[^\s()|,"<>=!:*][^\s()|,"*]*""")
_BETWEEN_TERMS = "()|&"


class Suggestion(NamedTuple):
    """`word` in place of the characters from `start` to `end` of the filter."""

    word: str
    start: int
    end: int

    def accepted(self, text: str) -> tuple[str, int]:
        """The filter with the suggestion in it, and where the cursor is then."""
        return text[: self.start] + self.word + text[self.end :], self.start + len(self.word)


def complete(text: str, cursor: int, seen: SeenValues, limit: int = 12) -> tuple[Suggestion, ...]:
    """At most `limit` ways to go on at `cursor`, the likeliest first; none inside a word or a quoted text."""
    following = text[cursor : cursor + 1]
    if following and not following.isspace() and following not in _BETWEEN_TERMS + ",":
        return ()
    start, comma = _term(text[:cursor])
    comparison = _COMPARISON.match(text, start, cursor)
    if comparison is None:
        typed, words = text[start:cursor], (_begun(name) for name in _ORDER)
        if typed and not re.fullmatch("[A-Za-z_]+", typed):
            return ()
        found = [word for word in words if word.startswith(typed.lower())]
    else:
        start = max(comparison.end(), comma)
        typed, name = text[start:cursor], comparison[1].lower()
        values = _CHOICES.get(name) or (seen(name) if name in SEEN_FIELDS else ())
        found = [_written(value) for value in _fitting(values, typed)]
    return tuple(Suggestion(word, start, cursor) for word in found[:limit])


def values_seen(field: str, rows: Iterable[ScoredTransaction]) -> tuple[str, ...]:
    """The values that `field`, one of `SEEN_FIELDS`, has in these rows, the most frequent first."""
    counts: Counter[str] = Counter()
    if field == "why":
        counts.update(_causes(rows))
    else:
        readers = [source.read for source in TEXTS[field]]
        counts.update(value for row in rows for read in readers if (value := read(row)))
    # What is not printable cannot be searched for.
    return tuple(value for value, _ in counts.most_common() if value.isprintable())


def _causes(rows: Iterable[ScoredTransaction]) -> Iterator[str]:
    for row in rows:
        verdict = row.verdict
        for reason in verdict.reasons if verdict else ():
            if reason.contribution >= REASON_COUNTS_FROM and reason.factor != "other":
                yield reason.factor
                yield reason.feature


def _term(text: str) -> tuple[int, int]:
    """Where the last term of `text` begins, and what follows its last comma."""
    start = comma = 0
    quoted = escaped = False
    for position, character in enumerate(text):
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character.isspace() or character in _BETWEEN_TERMS or (character in "-!" and position == start):
            start = position + 1
        elif character == ",":
            comma = position + 1
    return start, comma


def _begun(name: str) -> str:
    """A field with the operator it is mostly used with."""
    return name + (">=" if name == "severity" else ">" if name in NUMBERS or name == "time" else ":")


def _fitting(values: Sequence[str], typed: str) -> list[str]:
    """The values that begin with what was typed, then those that contain it."""
    wanted = folded(typed.removeprefix('"'))
    if "*" in wanted:
        return []
    others = [value for value in values if folded(value) != wanted]
    begin = [value for value in others if folded(value).startswith(wanted)]
    contain = [value for value in others if wanted in folded(value) and not folded(value).startswith(wanted)]
    return begin + contain


def _written(value: str) -> str:
    """A value as it stands in a filter: in quotes where it would be read otherwise."""
    if _BARE.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
