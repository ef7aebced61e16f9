"""`mapping guess`: a sample of a file or topic, and a mapping to start from."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from services import account
from services.errors import UserError
from services.records.documents import json_object
from services.records.files import Reading, open_rows
from services.records.guess import REQUIRED
from services.records.guess import guess as guessed
from services.records.mapping import Mapping
from services.records.presets import PRESETS
from services.records.registry import FRAMED, SchemaRegistry, Unreachable, unframed
from services.records.sniffing import sniffed
from services.records.validation import InvalidRecord
from services.settings import Settings

_READ_WITHIN = 10.0


def registry_of(settings: Settings, url: str) -> SchemaRegistry:
    """The schema registry of the settings. Raises ConfigurationError."""
    return SchemaRegistry(url, settings.registry_credentials, settings.schema_registry_ca_file)


def guess(
    settings: Settings, source: str, preset: str | None, rows: int, output: Path | None, reading: Reading | None = None
) -> int:
    """Write the mapping that fits a sample to `output`, or to stdout. Raises UserError."""
    path = Path(source)
    if path.is_file():
        sample = list(islice(_of_file(path, reading or Reading()), rows))
    elif path.suffix or "/" in source:
        raise UserError(f"There is no file {source}.")
    else:
        sample = asyncio.run(_of_topic(settings, source, rows))
    if preset is not None:
        opened = []
        for record in sample:
            with suppress(InvalidRecord):
                opened.append(PRESETS[preset].unwrap(record, {}).row)
        sample = opened
    if not sample:
        raise UserError(f"No record of {source} can be read: there is nothing to guess a mapping from.")
    text = guessed(sample).toml(preset)
    if output is None:
        sys.stdout.write(text)
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"Cannot write {output}: {error.strerror}.") from None
    return 0


def _of_file(path: Path, reading: Reading) -> Iterator[dict[str, Any]]:
    """The rows as they stand in a file, read as `score` reads it. Raises UserError."""
    console = Console(stderr=True)
    detected = sniffed(path, reading)
    if detected != reading:
        account.tell(console, [f"It is read with{detected.options}; give `score` and `replay` the same."])
    # No column is asked for: which is which is what is to be guessed.
    anything = Mapping().with_constants(dict.fromkeys(REQUIRED, ""))
    with open_rows(path, anything, detected) as rows:
        for piece in rows.pieces():
            if isinstance(piece.value, dict):
                yield piece.value


async def _of_topic(settings: Settings, topic: str, rows: int) -> list[dict[str, Any]]:
    """The first records of a topic that are objects. Raises UserError."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import KafkaError

    from services.commands.broker import running_broker

    broker = await running_broker(settings)
    await broker.start(lambda line: None)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", **broker.client_options
    )
    url = settings.schema_registry
    registry = None if url is None else registry_of(settings, url)
    sample: list[dict[str, Any]] = []
    try:
        await consumer.start()
        deadline = asyncio.get_running_loop().time() + _READ_WITHIN
        while len(sample) < rows and asyncio.get_running_loop().time() < deadline:
            found = await consumer.getmany(timeout_ms=1_000, max_records=rows - len(sample))
            if sample and not found:
                break
            for record in (record for records in found.values() for record in records if record.value):
                framed = record.value[:1] == FRAMED
                with suppress(InvalidRecord):
                    sample.append(unframed(record.value, registry) if framed else json_object(record.value))
    except (KafkaError, Unreachable) as error:
        raise UserError(f"Cannot read the topic {topic}: {error}") from None
    finally:
        await consumer.stop()
        await broker.stop()
    return sample
