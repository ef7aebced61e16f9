"""`mapping guess`: a sample of a file or topic, and a mapping to start from."""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from services import account
from services.brokers.broker import Broker, Unanswered
from services.errors import UserError, reason_of
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
        for piece in rows.cut():
            if isinstance(piece.value, dict):
                yield piece.value


async def _of_topic(settings: Settings, topic: str, rows: int) -> list[dict[str, Any]]:
    """The first records of a topic that are objects, partition by partition. Raises UserError."""
    from aiokafka import TopicPartition
    from aiokafka.errors import KafkaError

    from services.brokers.log import CorruptLog, LogReader
    from services.commands.broker import running_broker

    broker = await running_broker(settings)
    await broker.start(lambda line: None)
    url = settings.schema_registry
    registry = None if url is None else registry_of(settings, url)
    sample: list[dict[str, Any]] = []
    try:
        if await _is_missing(broker, topic):
            raise UserError(f"There is no topic {topic} at {broker.label}.")
        # A consumer ends at the first record that it cannot parse; the log can be read past it.
        async with LogReader(broker, settings.kafka_isolation) as reader:
            begun = [TopicPartition(topic, number) for number in await reader.partitions(topic)]
            following = {partition: (await reader.bounds(partition))[0] for partition in begun}
            while following and len(sample) < rows:
                for partition, offset in list(following.items()):
                    fetched = await reader.fetch(partition, offset)
                    if not fetched.batches:
                        del following[partition]
                        continue
                    following[partition] = fetched.following
                    records = (each for batch in fetched.batches if batch.kind == "records" for each in batch.records)
                    sample += islice(_objects(records, registry), rows - len(sample))
    except (KafkaError, TimeoutError, OSError, CorruptLog, Unanswered, Unreachable) as error:
        raise UserError(f"Cannot read the topic {topic}: {reason_of(error)}") from None
    finally:
        await broker.stop()
    return sample


async def _is_missing(broker: Broker, topic: str) -> bool:
    """Whether there is surely no such topic; the embedded broker of an engine does not say."""
    try:
        return await broker.topic_id(topic) is None
    except Unanswered:
        return False


def _objects(records: Iterable[Any], registry: SchemaRegistry | None) -> Iterator[dict[str, Any]]:
    for value in (record.value for record in records if record.value):
        with suppress(InvalidRecord):
            yield unframed(value, registry) if value[:1] == FRAMED else json_object(value)
