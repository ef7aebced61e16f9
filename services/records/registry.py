"""Records with Confluent's prefix: a zero byte, the number of a schema, then JSON or Avro.

JSON needs no schema to be read. Avro is read with the schema that the registry has under the number.
"""

import struct
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from services.errors import UserError
from services.records.documents import json_object
from services.records.validation import InvalidRecord, quoted

FRAMED = b"\0"
_PREFIX = struct.Struct(">bI")
_ANSWER_WITHIN = 10
_ASK_AGAIN_AFTER = 60.0
_MOST_UNKNOWN = 10_000


class Unreachable(UserError):
    """The schema registry does not answer, or not with a schema: no fault of the record's."""


class SchemaRegistry:
    """A schema registry by its URL; `credentials` are USER:PASSWORD. Nothing is asked before the first record."""

    def __init__(self, url: str, credentials: str | None = None, ca_file: Path | None = None) -> None:
        self.url = url
        self._options: dict[str, Any] = {"url": url, "timeout": _ANSWER_WITHIN, "max.retries": 0}
        if credentials is not None:
            self._options["basic.auth.user.info"] = credentials
        if ca_file is not None:
            self._options["ssl.ca.location"] = str(ca_file)
        self._unknown: dict[int, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        # A client is of one process.
        return {name: value for name, value in self.__dict__.items() if name not in ("_client", "_avro")}

    def document(self, payload: bytes) -> dict[str, Any]:
        """The object in a payload with a prefix. Raises: InvalidRecord; Unreachable."""
        number: int = _PREFIX.unpack_from(payload)[1]
        kind = self._kind(number)
        if kind == "JSON":
            return json_object(payload[_PREFIX.size :])
        if kind != "AVRO":
            raise InvalidRecord(f"schema {number} is of the type {quoted(kind)}; only Avro and JSON are read")
        try:
            document = self._avro(payload)
        except Exception as error:
            # fastavro lets whatever its reading runs into through, down to IndexError.
            raise InvalidRecord(f"the record does not fit Avro schema {number} ({type(error).__name__})") from None
        if not isinstance(document, dict):
            raise InvalidRecord(f"Avro schema {number} describes no record with fields")
        return document

    def _kind(self, number: int) -> Any:
        """The type of a schema. Raises: InvalidRecord where there is none of this number; Unreachable."""
        if time.monotonic() - self._unknown.get(number, -_ASK_AGAIN_AFTER) < _ASK_AGAIN_AFTER:
            raise InvalidRecord(f"the schema registry has no schema {number}")
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            return self._client.get_schema(number).schema_type
        except SchemaRegistryError as error:
            if error.http_status_code not in (404, 422):
                raise Unreachable(
                    f"The schema registry at {self.url} answers {error.http_status_code}: {error.error_message}. "
                    "Check schema_registry and its credentials."
                ) from None
        except Exception as error:
            raise Unreachable(
                f"The schema registry at {self.url} does not answer ({type(error).__name__}): check schema_registry."
            ) from None
        if len(self._unknown) >= _MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[number] = time.monotonic()
        raise InvalidRecord(f"the schema registry has no schema {number}")

    @cached_property
    def _client(self) -> Any:
        # Loading it takes half a second, which only those who use it should wait.
        from confluent_kafka.schema_registry import SchemaRegistryClient

        return SchemaRegistryClient(self._options)

    @cached_property
    def _avro(self) -> Any:
        from confluent_kafka.schema_registry.avro import AvroDeserializer

        return AvroDeserializer(self._client)


def unframed(payload: bytes, registry: SchemaRegistry | None) -> dict[str, Any]:
    """The object in a payload with Confluent's prefix. Raises: InvalidRecord; Unreachable."""
    if len(payload) <= _PREFIX.size:
        raise InvalidRecord("the record begins with a zero byte and is no longer than a schema's number")
    if registry is not None:
        return registry.document(payload)
    content = payload[_PREFIX.size :]
    if content.lstrip()[:1] == b"{":
        return json_object(content)
    number = _PREFIX.unpack_from(payload)[1]
    raise InvalidRecord(f"the record is of schema {number} and not JSON: name a registry with schema_registry")
