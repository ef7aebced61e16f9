"""`reconcile`: what became of every offset that Kafka still has. Returns its exit code."""

import asyncio
from collections import Counter
from typing import Any, NamedTuple

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from rich.console import Console
from rich.table import Table

from services.account import counted, name_first, tell
from services.brokers.broker import Broker, Unanswered
from services.brokers.log import CorruptLog, LogReader
from services.commands.broker import running_broker
from services.commands.database import open_store
from services.errors import UserError, reason_of
from services.pipeline.reconciling import FATES, Fate, PartitionAccount, Position, Reconciler, kept_since
from services.progress import progress
from services.records.mapping import Mapping
from services.records.wire import Unreachable
from services.settings import Settings
from services.store.rekeying import delivered_to
from services.store.store import Store

_FORGOTTEN = (
    "The embedded broker forgets its records when its engine ends: start `anomaly-tui` first, or name a broker with "
    "--kafka local or --kafka HOST:PORT."
)


class Found(NamedTuple):
    """The account of each partition, and how many engines run."""

    accounts: list[PartitionAccount]
    engines: int


def reconcile(settings: Settings, *, mapping: Mapping | None, as_json: bool) -> int:
    """Go through all partitions and say what became of their offsets. Exit code 1 when one does not add up."""
    console = Console()
    found = asyncio.run(_account(settings, mapping, Console(stderr=True)))
    totals: Counter[Fate] = sum((account.fates for account in found.accounts), Counter())
    if as_json:
        console.file.write(msgspec.json.format(msgspec.json.encode(_for_programs(found, totals))).decode() + "\n")
        return 1 if totals["unaccounted"] else 0
    _print(console, found, totals)
    console = Console(stderr=bool(totals["unaccounted"]), soft_wrap=True)
    for account in found.accounts:
        where = f"{account.topic} partition {account.partition}"
        named = [f"{where} at offset {offset}: {why}" for offset, why in account.first_unaccounted]
        name_first(console, named, account.fates["unaccounted"])
    tell(console, [_sentence(found, totals)])
    return 1 if totals["unaccounted"] else 0


async def _account(settings: Settings, mapping: Mapping | None, console: Console) -> Found:
    broker = await running_broker(settings, _FORGOTTEN)
    await broker.start(lambda line: None)
    try:
        async with open_store(settings) as store:
            # Progress is read first: whatever it counts as stored is then in the store when it is looked up.
            rows = [row for row in await store.progress() if row["cluster"] == broker.cluster_id]
            engines = len(await store.live_engines())
            accounts = await _go_through(settings, mapping, console, broker, store, rows)
    except OffsetOutOfRangeError:
        raise UserError(f"The topic {settings.topic} was made again meanwhile: try again.") from None
    except (KafkaError, Unanswered, TimeoutError, OSError) as error:
        raise UserError(f"{broker.label} does not answer: {reason_of(error)}.") from error
    except CorruptLog as error:
        raise UserError(f"Kafka's log is corrupt: {error}.") from error
    except Unreachable as error:
        raise UserError(str(error)) from error
    finally:
        await broker.stop()
    return Found(accounts, engines)


async def _go_through(
    settings: Settings,
    mapping: Mapping | None,
    console: Console,
    broker: Broker,
    store: Store,
    rows: list[dict[str, Any]],
) -> list[PartitionAccount]:
    topic = settings.topic
    copy = await store.rekeying.copy_of(broker.cluster_id, topic)
    rekeyed = copy is not None
    topics = (topic,) if copy is None else (topic, copy)
    with progress(console) as bar:
        task = bar.add_task("offsets", total=None)
        async with LogReader(broker, settings.kafka_isolation) as reader:
            positions = {
                TopicPartition(each, number): position
                for each in topics
                for number, position in (await _positions(broker, reader, each, rows)).items()
            }
            bar.update(task, total=await _to_read(reader, positions))
            reconciler = Reconciler(
                reader,
                store.ledger,
                mapping,
                broker.cluster_id,
                topic,
                rekeyed,
                await store.ledger.days(),
                kept_since(settings.retention_days),
                lambda offsets: bar.advance(task, offsets),
            )
            delivered = delivered_to(row["delivered"] for row in rows if row["topic"] == topic)
            for partition, position in positions.items():
                if partition.topic != topic:
                    known = delivered[partition.partition] if partition.partition < len(delivered) else 0
                    await reconciler.learn_copied(partition, position, known)
            return [await reconciler.account(partition, position) for partition, position in positions.items()]


async def _positions(broker: Broker, reader: LogReader, topic: str, rows: list[dict[str, Any]]) -> dict[int, Position]:
    # The embedded broker's topics live as long as it does, and it has no ids.
    topic_id = await broker.topic_id(topic) if broker.durable else ""
    if topic_id is None:
        raise UserError(f"There is no topic {topic} at {broker.label}: name it with --topic.")
    known = {
        row["partition"]: Position(
            row["incarnation"], row["first_offset"], row["next_offset"], row["begun_at"], row["lost"]
        )
        for row in rows
        if row["topic"] == topic and (not topic_id or row["topic_id"] in ("", topic_id))
    }
    return {number: known.get(number, Position()) for number in await reader.partitions(topic)}


async def _to_read(reader: LogReader, positions: dict[TopicPartition, Position]) -> int:
    total = 0
    for partition, position in positions.items():
        begins, ends = await reader.bounds(partition)
        total += max(0, min(ends, position.following) - begins)
    return total


def _print(console: Console, found: Found, totals: Counter[Fate]) -> None:
    shown = [fate for fate in FATES if totals[fate]]
    table = Table(title="what became of every offset")
    table.add_column("partition")
    for heading in ("begins", "ends", *shown):
        table.add_column(heading, justify="right")
    for account in found.accounts:
        counts = [f"{account.fates[fate]:,}" if account.fates[fate] else "" for fate in shown]
        where = f"{account.topic} {account.partition}"
        table.add_row(where, f"{account.begins:,}", f"{account.ends:,}", *counts)
    table.add_section()
    table.add_row("all", "", "", *(f"{totals[fate]:,}" for fate in shown))
    console.print(table)


def _sentence(found: Found, totals: Counter[Fate]) -> str:
    said = f"{counted(totals.total(), 'offset')} of {counted(len(found.accounts), 'partition')}: "
    wrong = totals["unaccounted"]
    said += f"{wrong:,} not accounted for." if wrong else "all accounted for."
    if len({account.topic for account in found.accounts}) > 1:
        said += " What was re-keyed is counted in the topic and in its copy."
    if totals["expired unread"]:
        said += f" {totals['expired unread']:,} expired in Kafka before they were read."
    if totals["waiting"]:
        by = "an engine runs" if found.engines else "no engine runs, start one with `anomaly-tui`"
        said += f" {totals['waiting']:,} wait to be stored: {by}."
    return said


def _for_programs(found: Found, totals: Counter[Fate]) -> dict[str, Any]:
    return {
        "accounted": not totals["unaccounted"],
        "engines": found.engines,
        "offsets": totals.total(),
        "totals": totals,
        "partitions": [
            {
                "topic": account.topic,
                "partition": account.partition,
                "begins": account.begins,
                "ends": account.ends,
                "fates": account.fates,
                "unaccounted": account.first_unaccounted,
            }
            for account in found.accounts
        ],
    }
