"""The syntax tree of a filter, and the error that points at the words that were not understood."""

from typing import NamedTuple
from unicodedata import east_asian_width


class FilterError(Exception):
    """A filter that cannot be understood; `position` counts characters from 0."""

    def __init__(self, message: str, position: int, expected: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.expected = expected

    def caret(self, text: str) -> str:
        """The filter and, on a second line, a caret below the place with what is wrong there."""
        before = sum(2 if east_asian_width(character) in "WF" else 1 for character in text[: self.position])
        return f"{text}\n{' ' * before}^ {self.message}"


class Word(NamedTuple):
    """A piece of the filter and where it stands; `quoted` text has no wildcards."""

    text: str
    position: int
    quoted: bool = False


class Comparison(NamedTuple):
    """`field operator value,value`; the operator is one of : = != < <= > >=."""

    field: Word
    operator: str
    values: tuple[Word, ...]


class Free(NamedTuple):
    """Text searched for everywhere."""

    word: Word


class Negation(NamedTuple):
    """`-term`: what the term does not match."""

    term: "Tree"


class Conjunction(NamedTuple):
    """`a b`: every one of the terms."""

    terms: tuple["Tree", ...]


class Disjunction(NamedTuple):
    """`a | b`: at least one of the terms."""

    terms: tuple["Tree", ...]


Tree = Comparison | Free | Negation | Conjunction | Disjunction


def fields_of(tree: Tree) -> frozenset[str]:
    """The fields that conditions of the tree are about, in small letters."""
    match tree:
        case Comparison(field):
            return frozenset((field.text.lower(),))
        case Negation(term):
            return fields_of(term)
        case Conjunction(terms) | Disjunction(terms):
            return frozenset[str]().union(*map(fields_of, terms))
    return frozenset()
