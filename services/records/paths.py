"""Dotted paths into a record: `payload.card.id`, `legs.0.amount`, also through texts that hold JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec

MISSING = object()
"""What `value_at` answers where there is nothing, not even null."""


def is_absent(value: Any) -> bool:
    """Whether a value says nothing: it is missing, null, an empty text or NaN."""
    return value is MISSING or value is None or value == "" or value != value


def value_at(record: Any, path: str) -> Any:
    """The value at a path, `MISSING` where there is none; a name with dots in it comes before the way by its dots."""
    if isinstance(record, str):
        record = _held(record)
    if isinstance(record, Mapping):
        if path in record:
            return record[path]
        head, dot, tail = path.partition(".")
        return value_at(record[head], tail) if dot and head in record else MISSING
    if isinstance(record, list):
        head, dot, tail = path.partition(".")
        index = _index(head, record)
        if index is None:
            return MISSING
        return value_at(record[index], tail) if dot else record[index]
    return MISSING


def without(record: Any, path: str) -> Any:
    """`record` without the value at a path: what lies on the way is copied, and what is left empty is gone.

    An item of a list becomes null, so that the others keep their places. Answers `MISSING` when nothing is left.
    """
    inner = _held(record) if isinstance(record, str) else record
    if value_at(inner, path) is MISSING:
        return record
    if isinstance(inner, list):
        head, dot, tail = path.partition(".")
        index = _index(head, inner)
        assert index is not None
        kept = without(inner[index], tail) if dot else MISSING
        items = [*inner[:index], None if kept is MISSING else kept, *inner[index + 1 :]]
        return MISSING if all(item is None for item in items) else items
    copied = dict(inner)
    if path in copied:
        del copied[path]
        return copied or MISSING
    head, _, tail = path.partition(".")
    kept = without(copied[head], tail)
    if kept is MISSING:
        del copied[head]
    else:
        copied[head] = kept
    return copied or MISSING


def _index(text: str, items: list[Any]) -> int | None:
    if text.isascii() and text.isdigit() and len(text) < 7 and int(text) < len(items):
        return int(text)
    return None


def _held(text: str) -> Any:
    """The object or list that a text holds as JSON; the text itself where it holds none."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text
