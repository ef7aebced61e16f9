"""JSON as an object: exact numbers, no key twice, and a sentence for what is wrong with it."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from services.records.validation import InvalidRecord, described, quoted

_untyped = msgspec.json.Decoder(float_hook=Decimal).decode
_KEY_END = re.compile(rb'"\s*:')
_SURROGATE = re.compile(rb"(?<!\\)(\\+)u[dD][89a-fA-F]")


def json_object(payload: bytes) -> dict[str, Any]:
    """A payload as a JSON object, every number with a point as an exact decimal.

    A text that holds an object as JSON counts as that object. Raises: InvalidRecord.
    """
    document = _parsed(payload)
    if isinstance(document, str) and document.lstrip().startswith("{"):
        document = _parsed(document.encode(errors="surrogatepass"))
    if isinstance(document, dict):
        return document
    raise InvalidRecord(f"the record is {described(document)}, not a JSON object")


def held_object(name: str, value: Any) -> dict[str, Any]:
    """A field that has to be an object, also one that a text holds as JSON. Raises: InvalidRecord."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json_object(value.encode(errors="surrogatepass"))
        except InvalidRecord as error:
            raise InvalidRecord(f"{name} is a text that cannot be read as JSON: {error.reason}") from None
    raise InvalidRecord(f"{name} is {described(value)}, not an object")


def _parsed(payload: bytes) -> Any:
    try:
        document = _untyped(payload)
        # Names and texts that end in quotes before a colon count too many, and never too few.
        if len(_KEY_END.findall(payload)) != _keys_in(document):
            json.loads(payload.decode(), object_pairs_hook=_once_each, parse_float=str, parse_int=str)
    except InvalidOperation:
        raise InvalidRecord("a number is out of range") from None
    except RecursionError:
        raise InvalidRecord("the JSON is nested too deep") from None
    except UnicodeDecodeError:
        raise InvalidRecord("the record is not valid UTF-8") from None
    except msgspec.ValidationError:
        raise InvalidRecord("a number is out of range") from None
    except msgspec.DecodeError as error:
        raise InvalidRecord(_malformed(payload, str(error))) from None
    return document


def _keys_in(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(_keys_in(inner) for inner in value.values() if isinstance(inner, dict | list))
    if isinstance(value, list):
        return sum(_keys_in(inner) for inner in value if isinstance(inner, dict | list))
    return 0


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRecord(f"the key {quoted(name)} is there twice")
        found[name] = value
    return found


def _malformed(payload: bytes, message: str) -> str:
    if not payload.strip():
        return "the record is empty"
    # The decoder stops at a lone surrogate with a message about truncation, which would mislead.
    if any(len(match[1]) % 2 for match in _SURROGATE.finditer(payload)) and re.search("truncated|surrogate", message):
        return "a text is not valid Unicode (a lone surrogate)"
    detail = message.removeprefix("JSON is malformed: ").replace("Input data was truncated", "it ends too early")
    return f"the JSON is malformed: {detail}"
