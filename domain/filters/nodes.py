"""Conditions on a scored transaction, each as a predicate and as SQL, side by side so that they stay the same.

A missing value satisfies no comparison but !=; letters A to Z match in either case.
"""

import operator
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from domain.triage import TriageStatus, is_open
from domain.verdict import ScoredTransaction

Predicate = Callable[[ScoredTransaction], bool]
Number = Decimal | float | int | datetime

_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")

REASON_COUNTS_FROM = 0.05
"""Contribution to a score, in score units, from which `why:` takes a reason for one."""


def folded(text: str) -> str:
    """`text` with A to Z lowered and all else as it is: what `lower(... COLLATE "C")` does in any database."""
    return text.translate(_LOWER)


class Parameters(list[object]):
    """The values of `$1`, `$2`, ..."""

    def bind(self, value: object) -> str:
        """Add a value; returns its placeholder."""
        self.append(value)
        return f"${len(self)}"


class Node(Protocol):
    """A condition."""

    def predicate(self) -> Predicate:
        """The condition on a row in memory."""
        ...

    def sql(self, parameters: Parameters) -> str:
        """The condition on a stored row: an expression that is true or false, never null."""
        ...


class TextSource(NamedTuple):
    """A text of a row: how to read it, and the SQL expression that is the same; `hashed` where its index has hashes."""

    read: Callable[[ScoredTransaction], str | None]
    column: str
    hashed: bool = False


class NumberSource(NamedTuple):
    """A number or time of a row; `cast` is the SQL type its values are compared as."""

    read: Callable[[ScoredTransaction], Number | None]
    column: str
    cast: str


class Pattern(NamedTuple):
    """What a text must look like: contain `text`, equal it, or fit it with `*` for any run of characters."""

    text: str
    how: str

    def test(self) -> Callable[[str], bool]:
        """The pattern as a function of a folded text."""
        wanted = folded(self.text)
        if self.how == "contains":
            return lambda text: wanted in text
        if self.how == "equals":
            return lambda text: text == wanted
        fits = re.compile(".*".join(map(re.escape, wanted.split("*"))), re.DOTALL).fullmatch
        return lambda text: fits(text) is not None

    def sql(self, columns: Iterable[str], parameters: Parameters) -> str:
        """Whether one of the columns fits the pattern; false where all are null."""
        wanted = folded(self.text)
        if self.how == "equals":
            test = f"= {parameters.bind(wanted)}::text"
        else:
            like = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            like = f"%{like}%" if self.how == "contains" else like.replace("*", "%")
            test = f"LIKE {parameters.bind(like)}::text"
        return "(" + " OR ".join(f'coalesce(lower({column} COLLATE "C") {test}, false)' for column in columns) + ")"


class All(NamedTuple):
    """Every one of `terms` holds; true when there are none."""

    terms: tuple[Node, ...]

    def predicate(self) -> Predicate:
        """Tests in order, ends at the first that fails."""
        tests = tuple(term.predicate() for term in self.terms)
        if len(tests) == 1:
            return tests[0]

        def every(row: ScoredTransaction) -> bool:
            for test in tests:  # noqa: SIM110 - all() with a generator costs three times as much here
                if not test(row):
                    return False
            return True

        return every

    def sql(self, parameters: Parameters) -> str:
        """A conjunction."""
        return "(" + " AND ".join(term.sql(parameters) for term in self.terms) + ")" if self.terms else "true"


class Either(NamedTuple):
    """At least one of `terms` holds."""

    terms: tuple[Node, ...]

    def predicate(self) -> Predicate:
        """Tests in order, ends at the first that holds."""
        tests = tuple(term.predicate() for term in self.terms)
        return lambda row: any(test(row) for test in tests)

    def sql(self, parameters: Parameters) -> str:
        """A disjunction."""
        return "(" + " OR ".join(term.sql(parameters) for term in self.terms) + ")"


class Not(NamedTuple):
    """`term` does not hold."""

    term: Node

    def predicate(self) -> Predicate:
        """True where `term` is false."""
        test = self.term.predicate()
        return lambda row: not test(row)

    def sql(self, parameters: Parameters) -> str:
        """The negated expression of `term`."""
        return f"NOT {self.term.sql(parameters)}"


class TextMatch(NamedTuple):
    """One of the texts fits the pattern."""

    sources: tuple[TextSource, ...]
    pattern: Pattern

    def predicate(self) -> Predicate:
        """Folds and tests each text."""
        readers = tuple(source.read for source in self.sources)
        fits = self.pattern.test()

        def test(row: ScoredTransaction) -> bool:
            for read in readers:
                text = read(row)
                if text is not None and fits(folded(text)):
                    return True
            return False

        return test

    def sql(self, parameters: Parameters) -> str:
        """One LIKE or = for each column."""
        return self.pattern.sql((source.column for source in self.sources), parameters)


class SameText(NamedTuple):
    """An identifier, letter for letter, so that an index on it is of use."""

    source: TextSource
    wanted: str

    def predicate(self) -> Predicate:
        """Whether the row's text equals `wanted`."""
        read, wanted = self.source.read, self.wanted
        return lambda row: read(row) == wanted

    def sql(self, parameters: Parameters) -> str:
        """Whether the column equals `wanted`, so that its index serves."""
        column, wanted = self.source.column, f"{parameters.bind(self.wanted)}::text"
        same = f"{column} = {wanted}"
        if self.source.hashed:
            same = f"hashtextextended({column}, 0) = hashtextextended({wanted}, 0) AND {same}"
        return f"({same})"


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NumberMatch(NamedTuple):
    """A number or time compared with a constant; `operator` is one of = < <= > >=."""

    source: NumberSource
    operator: str
    value: Number

    def predicate(self) -> Predicate:
        """Compares the row's number with `value`; a missing number never satisfies it."""
        read, compare, value = self.source.read, _OPERATORS[self.operator], self.value

        def test(row: ScoredTransaction) -> bool:
            number = read(row)
            return number is not None and compare(number, value)

        return test

    def sql(self, parameters: Parameters) -> str:
        """Compares the column with `value`; null never satisfies it."""
        column, cast = self.source.column, self.source.cast
        return f"coalesce({column} {self.operator} {parameters.bind(self.value)}::{cast}, false)"


class ReasonMatch(NamedTuple):
    """A reason of the leading verdict that carries weight and whose feature or factor fits the pattern."""

    pattern: Pattern

    def predicate(self) -> Predicate:
        """Looks through the reasons."""
        fits = self.pattern.test()

        def test(row: ScoredTransaction) -> bool:
            verdict = row.verdict
            return verdict is not None and any(
                reason.contribution >= REASON_COUNTS_FROM
                and reason.factor != "other"
                and (fits(folded(reason.feature)) or fits(folded(reason.factor)))
                for reason in verdict.reasons
            )

        return test

    def sql(self, parameters: Parameters) -> str:
        """Looks through the stored reasons."""
        fits = self.pattern.sql(("(r->>'feature')", "(r->>'factor')"), parameters)
        return (
            "EXISTS (SELECT FROM jsonb_array_elements(coalesce(e.reasons, b.reasons)) r "
            f"WHERE (r->>'contribution')::float8 >= {REASON_COUNTS_FROM} AND r->>'factor' <> 'other' AND {fits})"
        )


class TriageMatch(NamedTuple):
    """The decision on a row is `status` at `now`; only alerts are ever open, and what is judged afterwards is none."""

    status: TriageStatus
    now: datetime

    def predicate(self) -> Predicate:
        """The decision the row carries."""
        status, now = self.status, self.now
        if status is TriageStatus.OPEN:
            return lambda row: row.alerted and is_open(row.triage, now)
        return lambda row: row.triage is not None and row.triage.effective(now) is status

    def sql(self, parameters: Parameters) -> str:
        """The stored decision."""
        stored = "FROM triage d WHERE d.transaction_id = t.transaction_id"
        if self.status is TriageStatus.OPEN:
            asleep = f"coalesce(d.until > {parameters.bind(self.now)}::timestamptz, false)"
            settled = f"EXISTS (SELECT {stored} AND d.status <> 'open' AND (d.status <> 'snoozed' OR {asleep}))"
            alerted = " OR ".join(f"({v}.flagged AND {v}.status <> 'backfilled')" for v in "be")
            return f"(coalesce({alerted}, false) AND NOT {settled})"
        here = f"d.status = {parameters.bind(str(self.status))}::text"
        if self.status is TriageStatus.SNOOZED:
            here += f" AND d.until > {parameters.bind(self.now)}::timestamptz"
        return f"EXISTS (SELECT {stored} AND {here})"


class Condition(NamedTuple):
    """A named yes-or-no property of a row."""

    read: Predicate
    expression: str

    def predicate(self) -> Predicate:
        """Whether the row has the property."""
        return self.read

    def sql(self, parameters: Parameters) -> str:
        """Whether the stored row has the property; null counts as no."""
        return f"coalesce({self.expression}, false)"
