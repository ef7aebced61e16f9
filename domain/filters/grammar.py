"""The grammar, for lark, and the way from text to a syntax tree."""

from functools import cache

from lark import Lark, Token
from lark import Tree as LarkTree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from domain.filters.syntax import Comparison, Conjunction, Disjunction, FilterError, Free, Negation, Tree, Word

MAX_LENGTH = 2_000
MAX_DEPTH = 20

GRAMMAR = r"""
?start: disjunction
?disjunction: conjunction (_OR conjunction)*
?conjunction: term (_AND? term)*
?term: _NOT term -> negation
     | _OPEN disjunction _CLOSE
     | FIELD OPERATOR value (_COMMA value)* -> comparison
     | text -> free
value: QUOTED | VALUE
text: QUOTED | WORD

FIELD.3: /[A-Za-z_]+(?=!=|[<>:=])/
OPERATOR: "!=" | ">=" | "<=" | ">" | "<" | ":" | "="
_OR.2: /\||or(?=[\s(]|$)/i
_AND.2: /&|and(?=[\s(]|$)/i
_NOT.2: /[-!](?=[^\s])/
_OPEN: "("
_CLOSE: ")"
_COMMA: ","
QUOTED: /"(\\.|[^"\\])*"/
VALUE: /[^\s()|,"<>=!:][^\s()|,"]*/
WORD: /[^\s()|,":<>=!&-][^\s()|,":<>=]*/
%ignore /\s+/
"""

_NAMES = {
    "FIELD": "a field",
    "OPERATOR": "an operator",
    "VALUE": "a value",
    "_OR": "or",
    "_NOT": "-",
    "_OPEN": "(",
    "_CLOSE": ")",
    "_COMMA": ",",
    "_AND": "and",
}
_TERM = {"FIELD", "WORD", "QUOTED", "_NOT", "_OPEN"}


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", propagate_positions=True)


def tree_of(text: str) -> Tree | None:
    """The syntax tree of a filter, None for one that is blank.

    Raises: FilterError.
    """
    if not text.strip():
        return None
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter has at most {MAX_LENGTH:,} characters", MAX_LENGTH)
    for position, character in enumerate(text):
        if not (character.isprintable() or character.isspace()):
            raise FilterError("this character cannot be searched for", position)
    try:
        return _convert(_parser().parse(text), 0)
    except UnexpectedInput as error:
        raise _explained(error, text) from None


def _explained(error: UnexpectedInput, text: str) -> FilterError:
    if isinstance(error, UnexpectedToken):
        wanted, position = set(error.accepts or error.expected), error.token.start_pos
        if error.token.type == "$END":
            position = len(text.rstrip())
    elif isinstance(error, UnexpectedCharacters):
        wanted, position = set(error.allowed), error.pos_in_stream
    else:
        assert isinstance(error, UnexpectedEOF)
        wanted, position = set(error.expected), len(text)
    position = len(text) if position is None else position
    if text[position : position + 1] == '"':
        return FilterError('the closing " is missing', position, ('"',))
    expected = _described(wanted)
    return FilterError("expected " + " or ".join(expected), position, expected)


def _described(wanted: set[str]) -> tuple[str, ...]:
    """Terminals in words, the ways to begin a term as one."""
    if wanted >= _TERM:
        begun = ("a condition such as amount>500",)
        return begun + ((")",) if "_CLOSE" in wanted else ())
    return tuple(sorted({_NAMES[name] for name in wanted if name in _NAMES})) or ("the end",)


def _convert(node: LarkTree[Token] | Token, depth: int) -> Tree:
    assert isinstance(node, LarkTree)
    if depth > MAX_DEPTH:
        raise FilterError(f"parentheses go at most {MAX_DEPTH} deep", node.meta.start_pos)
    if node.data == "comparison":
        field, operator, *values = node.children
        assert isinstance(field, Token)
        return Comparison(_word(field), str(operator), tuple(_word(_only(value)) for value in values))
    if node.data == "free":
        return Free(_word(_only(_tree(node.children[0]))))
    parts = tuple(_convert(child, depth + 1) for child in node.children)
    if node.data == "negation":
        return Negation(parts[0])
    return Conjunction(parts) if node.data == "conjunction" else Disjunction(parts)


def _tree(node: LarkTree[Token] | Token) -> LarkTree[Token]:
    assert isinstance(node, LarkTree)
    return node


def _only(node: LarkTree[Token] | Token) -> Token:
    child = _tree(node).children[0]
    assert isinstance(child, Token)
    return child


def _word(token: Token) -> Word:
    position = token.start_pos or 0
    if token.type == "QUOTED":
        return Word(_unescaped(token[1:-1]), position, quoted=True)
    return Word(str(token), position)


def _unescaped(text: str) -> str:
    out, escaped = [], False
    for character in text:
        if character == "\\" and not escaped:
            escaped = True
        else:
            out.append(character)
            escaped = False
    return "".join(out)
