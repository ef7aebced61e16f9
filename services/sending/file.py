"""Sends a file to a broker and says what became of its rows."""

from pathlib import Path

from aiokafka.errors import KafkaError
from rich.console import Console

from services.account import counted, name_first, skipped, tell
from services.brokers.broker import Broker
from services.errors import UserError, reason_of
from services.progress import progress
from services.records.files import Reading, open_rows
from services.records.intake import SHOWN, Counted
from services.records.mapping import Mapping
from services.sending.pace import Consumer, Replay
from services.sending.producer import EMBEDDED_LAG_LIMIT, LAG_LIMIT, Sender
from services.settings import Settings


async def send_file(
    broker: Broker,
    settings: Settings,
    path: Path,
    *,
    speed: float | None,
    mapping: Mapping | None,
    reading: Reading | None,
    consumer: Consumer,
) -> int:
    """Send every row and wait until all are stored, then say what became of them; 1 where any is a dead letter."""
    console = Console(stderr=True)
    sender = Sender(broker, settings.topic)
    with open_rows(path, mapping, reading) as rows, progress(console) as bar:
        tell(console, rows.remarks)
        counted_rows = Counted(rows)
        try:
            await sender.start()
            task = bar.add_task(f"replaying {rows.source.name}", total=rows.size)
            replay = Replay(
                sender,
                iter(counted_rows),
                speed=speed,
                lag_limit=LAG_LIMIT if broker.durable else EMBEDDED_LAG_LIMIT,
                consumer=consumer,
                sent=lambda: bar.update(task, completed=rows.position),
                updated=lambda: rows.updated,
            )
            await replay.run()
            bar.update(task, description="storing the last ones")
            await replay.drained()
        except (KafkaError, TimeoutError) as error:
            raise UserError(
                f"The broker stopped taking records after {sender.acknowledged:,}: {reason_of(error)}. "
                "The same command again sends the rest; what is stored is not stored twice."
            ) from error
        finally:
            await sender.stop()
    outcome = await consumer.outcome(replay.offsets)
    dead_letters = counted_rows.left_out + outcome.dead_letters
    stored = f"{counted(outcome.stored, 'transaction')} stored"
    resends = f"{counted(replay.count - outcome.stored - outcome.dead_letters, 'resend')} of what was stored before"
    passed = f"{stored}, {resends}, {skipped(counted_rows.skipped)}{counted(dead_letters, 'dead letter')}"
    tell(console, [f"{counted(counted_rows.read, 'row')} read: {passed}."])
    named = [*(f"{row.place}: {row.reason}" for row in counted_rows.first), *outcome.first]
    name_first(console, named[:SHOWN], dead_letters)
    tell(console, counted_rows.remarks)
    if counted_rows.damage is not None:
        raise counted_rows.damage
    return 0 if counted_rows.flawless and not outcome.dead_letters else 1
