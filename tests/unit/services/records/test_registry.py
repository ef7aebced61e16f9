"""Avro and JSON Schema through a schema registry on loopback that knows three schemas and counts who asks."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro
import pytest

from domain.transaction import Transaction
from services.records.mapping import Mapping
from services.records.registry import SchemaRegistry, Unreachable
from services.records.validation import InvalidRecord
from services.records.wire import decode

AVRO = {
    "type": "record",
    "name": "Charge",
    "fields": [
        {"name": "transaction_id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "user_id", "type": "long"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "currency", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "1": {"schema": json.dumps(AVRO)},
    "2": {"schema": "{}", "schemaType": "JSON"},
    "3": {"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"},
}
CHARGE = {
    "transaction_id": "5f0c9a52-6c9f-4a0e-9a7e-3d4d3f3f1c11",
    "user_id": 42,
    "amount": Decimal("12.50"),
    "currency": "EUR",
    "timestamp": 1_795_680_000_000,
}


class Registry(ThreadingHTTPServer):
    """The registry; `down` makes it answer 503 to everything."""

    asked: list[str]
    authorizations: set[str | None]
    down = False


class _Answers(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        number = self.path.partition("?")[0].rpartition("/")[2]
        self.server.asked.append(number)
        self.server.authorizations.add(self.headers.get("Authorization"))
        known = SCHEMAS.get(number)
        status = 503 if self.server.down else 200 if known else 404
        body = json.dumps(known if status == 200 else {"error_code": 40403, "message": "Schema not found"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    server = Registry(("127.0.0.1", 0), _Answers)
    server.asked, server.authorizations = [], set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def through(registry: Registry, credentials: str | None = None) -> Mapping:
    return Mapping().with_registry(SchemaRegistry(f"http://127.0.0.1:{registry.server_port}", credentials))


def framed(number: int, content: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + content


def avro() -> bytes:
    content = io.BytesIO()
    fastavro.schemaless_writer(content, fastavro.parse_schema(AVRO), CHARGE)
    return framed(1, content.getvalue())


def test_avro_is_read_with_the_schema_of_its_number_which_is_asked_for_once(registry: Registry) -> None:
    mapping = through(registry, "reader:s3cret")
    first = decode(avro(), mapping)
    assert (first.transaction_id, first.user_id) == (CHARGE["transaction_id"], "42")
    assert (first.amount, first.timestamp.isoformat()) == (Decimal("12.50"), "2026-11-26T08:00:00+00:00")
    assert decode(avro(), mapping) == first
    assert registry.asked == ["1"]
    assert registry.authorizations == {"Basic cmVhZGVyOnMzY3JldA=="}


def test_json_schema_is_read_and_so_is_json_without_a_registry(registry: Registry) -> None:
    content = json.dumps(CHARGE | {"amount": "12.50", "timestamp": "2026-11-26T08:00:00Z"}).encode()
    found = decode(framed(2, content), through(registry))
    assert isinstance(found, Transaction)
    assert decode(framed(2, content)) == found


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (framed(9, b"x"), "the schema registry has no schema 9"),
        (framed(3, b"x"), "schema 3 is of the type 'PROTOBUF'; only Avro and JSON are read"),
        (framed(1, b"\x06ab"), "the record does not fit Avro schema 1"),
        (framed(1, b"\xff" * 40), "the record does not fit Avro schema 1"),
        (framed(2, b"[]"), "the record is the list [], not a JSON object"),
    ],
)
def test_a_record_that_its_schema_does_not_read_says_why(registry: Registry, payload: bytes, reason: str) -> None:
    mapping = through(registry)
    for _ in range(2):
        with pytest.raises(InvalidRecord) as invalid:
            decode(payload, mapping)
        assert invalid.value.reason.startswith(reason)
    assert len(registry.asked) == 1


def test_a_registry_that_does_not_answer_is_no_fault_of_the_record(registry: Registry) -> None:
    mapping = through(registry)
    registry.down = True
    with pytest.raises(Unreachable, match="answers 503"):
        decode(avro(), mapping)
    registry.down = False
    assert decode(avro(), mapping).user_id == "42"
    with pytest.raises(Unreachable, match="does not answer"):
        decode(avro(), Mapping().with_registry(SchemaRegistry("http://127.0.0.1:1")))


def test_help_does_not_load_the_registry_client() -> None:
    code = (
        "import sys\n"
        "from tui.main import main\n"
        "sys.argv = ['anomaly-tui', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert not {'fastavro', 'authlib', 'httpx2', 'confluent_kafka.schema_registry'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
