"""The API as an OpenAPI 3.1 document, read off the endpoints."""

from collections.abc import Iterator, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec

from services.api.endpoint import Endpoint
from services.api.problems import MEDIA_TYPE
from services.records.export import Row

_REF = "#/components/schemas/{name}"
_ALWAYS = (401, 403, 408, 421, 422, 503)
_WITH_BODY = (400, 413, 415)


class ProblemAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no other answer (RFC 9457). The last four are those of a filter that cannot be understood."""

    type: str
    title: str
    status: int
    detail: str
    position: int | msgspec.UnsetType = msgspec.UNSET
    length: int | msgspec.UnsetType = msgspec.UNSET
    expected: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    caret: str | msgspec.UnsetType = msgspec.UNSET


@cache
def document(endpoints: Sequence[Endpoint[Any]], version: str) -> bytes:
    """The document as JSON."""
    answers = [endpoint.answer for endpoint in endpoints if endpoint.answer is not None]
    questions = [endpoint.question for endpoint in endpoints]
    kinds = [*dict.fromkeys([*answers, *questions, Row, ProblemAnswer])]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    asked_by_get = {endpoint.question.__name__ for endpoint in endpoints if endpoint.method == "GET"}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "anomaly-tui",
                "version": version,
                "description": "What the console shows, over HTTP.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "security": [{}, {"token": []}],
            "paths": paths,
            "components": {
                "schemas": {name: schema for name, schema in schemas.items() if name not in asked_by_get},
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _operation(endpoint: Endpoint[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    description = (endpoint.handle.__doc__ or "").strip()
    operation: dict[str, Any] = {
        "operationId": endpoint.handle.__name__,
        "summary": endpoint.summary,
        "description": description,
        "responses": {"200": _answer(endpoint)} | {str(status): _problem(status) for status in _problems(endpoint)},
    }
    if endpoint.method == "POST":
        schema = {"$ref": _REF.format(name=endpoint.question.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    else:
        operation["parameters"] = list(_parameters(endpoint, schemas[endpoint.question.__name__]))
    return operation


def _problems(endpoint: Endpoint[Any]) -> list[int]:
    return sorted({*_ALWAYS, *endpoint.problems, *(_WITH_BODY if endpoint.method == "POST" else ())})


def _parameters(endpoint: Endpoint[Any], question: dict[str, Any]) -> Iterator[dict[str, Any]]:
    headers = {name: header for header, name in endpoint.headers.items()}
    for name, described in question.get("properties", {}).items():
        schema = dict(described)
        more = {"description": schema.pop("description")} if "description" in schema else {}
        if f"{{{name}}}" in endpoint.path:
            yield {"name": name, "in": "path", "required": True, "schema": schema, **more}
        else:
            yield {"name": name, "in": "query", "schema": schema, **more}
        if name in headers:
            yield {"name": headers[name], "in": "header", "schema": schema, **more}


def _answer(endpoint: Endpoint[Any]) -> dict[str, Any]:
    if endpoint.answer is None:
        content: dict[str, Any] = {media_type: {} for media_type in endpoint.media_types}
    else:
        content = {"application/json": {"schema": {"$ref": _REF.format(name=endpoint.answer.__name__)}}}
    return {"description": endpoint.summary, "content": content}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name=ProblemAnswer.__name__)}
    return {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
