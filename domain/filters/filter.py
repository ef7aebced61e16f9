"""A parsed filter and the way to one."""

from collections.abc import Callable
from datetime import UTC, datetime

from domain.filters.fields import TEXTS
from domain.filters.grammar import tree_of
from domain.filters.meaning import meaning_of
from domain.filters.nodes import All, Either, Node, Parameters, SameText
from domain.filters.syntax import fields_of
from domain.verdict import ScoredTransaction


class Filter:
    """What `text` asks for: `matches(row)` for rows in memory, `to_sql()` for stored ones.

    `now` is the moment that its times count back from, None where none does.
    """

    def __init__(self, text: str, root: Node, now: datetime | None = None) -> None:
        self.text = text
        self.now = now
        self._root = root
        self.matches: Callable[[ScoredTransaction], bool] = root.predicate()

    def to_sql(self) -> tuple[str, tuple[object, ...]]:
        """A WHERE clause with `$n` placeholders and their values.

        Its tables are named t (transactions), b and e (basic and enhanced verdicts) and g (ground truth).
        """
        parameters = Parameters()
        clause = self._root.sql(parameters)
        return clause, tuple(parameters)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that its conditions are about."""
        tree = tree_of(self.text)
        return frozenset() if tree is None else fields_of(tree)

    @property
    def is_of_triage(self) -> bool:
        """Whether it says itself of which triage rows are."""
        return "triage" in self.fields

    def __and__(self, other: "Filter") -> "Filter":
        """The filter for rows that match this one and `other`."""
        if not self.text or not other.text:
            return self if self.text else other
        return Filter(f"{self._as_term} {other._as_term}", All((self._root, other._root)), self.now or other.now)

    @property
    def _as_term(self) -> str:
        return f"({self.text})" if isinstance(self._root, Either) else self.text

    def __repr__(self) -> str:
        return f"Filter({self.text!r})"


EVERYTHING = Filter("", All(()))


def parse(text: str, now: datetime | None = None) -> Filter:
    """Understand a filter; times such as `since:5m` count back from `now` (default: the current time).

    Raises: FilterError with the position and what was expected there.
    """
    tree = tree_of(text)
    if tree is None:
        return EVERYTHING
    moment = now or datetime.now(UTC)
    return Filter(text.strip(), meaning_of(tree, moment), moment)


def of_triage(filter: Filter, status: str, now: datetime | None = None) -> Filter:
    """What `filter` finds of one triage status; where it is about triage itself, it says of which instead.

    `now` is when a snooze may be over.
    """
    return filter if filter.is_of_triage else parse(f"triage:{status}", now) & filter


def of_user(user_id: str) -> Filter:
    """The transactions of exactly one user, whatever characters the id has."""
    plain = user_id.isascii() and user_id.replace("-", "").replace("_", "").isalnum()
    escaped = user_id.replace("\\", "\\\\").replace('"', '\\"')
    return Filter(f"user={user_id}" if plain else f'user="{escaped}"', SameText(TEXTS["user"][0], user_id))
