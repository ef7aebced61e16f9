"""Sends a file to a broker and says what became of its rows."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aiokafka.errors import KafkaError
from rich.console import Console

from domain.sanitize import sanitize
from services.brokers.broker import Broker
from services.errors import UserError, reason_of
from services.progress import progress
from services.records.files import InvalidRow, Row, open_rows
from services.records.mapping import Mapping
from services.records.timestamps import AMBIGUOUS
from services.sending.pace import Consumer, Replay
from services.sending.producer import EMBEDDED_LAG_LIMIT, LAG_LIMIT, Sender
from services.settings import Settings

_SHOWN_REJECTS = 10
_REMARKS = {
    AMBIGUOUS: "their local time came twice when the clocks were put back; the first is taken",
    "updated": "their source changed a row; of several under one id the first is kept",
}


async def send_file(
    broker: Broker,
    settings: Settings,
    path: Path,
    *,
    speed: float | None,
    mapping: Mapping | None,
    consumer: Consumer,
) -> int:
    """Send every row and wait until all are stored; rows that are no transactions become dead letters, returning 1."""
    console = Console(stderr=True)
    rejected: list[InvalidRow] = []

    def records() -> Iterator[Row]:
        for row in rows:
            if isinstance(row, InvalidRow):
                rejected.append(row)
            yield row

    sender = Sender(broker, settings.topic)
    with open_rows(path, mapping) as rows, progress(console) as bar:
        try:
            await sender.start()
            task = bar.add_task(f"replaying {path.name}", total=rows.size)
            replay = Replay(
                sender,
                records(),
                speed=speed,
                lag_limit=LAG_LIMIT if broker.durable else EMBEDDED_LAG_LIMIT,
                consumer=consumer,
                sent=lambda: bar.update(task, completed=rows.position),
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
    console.print(f"{replay.count:,} transactions replayed and stored, {len(rejected):,} rows in the dead letters.")
    report(rejected, rows.remarks)
    return 1 if rejected or rows.remarks else 0


def report(rejected: list[InvalidRow], remarks: Counter[str]) -> None:
    """Name the first rows that are not transactions, and what had to be decided to read others, on stderr."""
    for remark, count in remarks.items():
        sys.stderr.write(f"rows read with a remark, {count:,}: {_REMARKS.get(remark, remark)}\n")
    for row in rejected[:_SHOWN_REJECTS]:
        sys.stderr.write(f"row {row.row}: {sanitize(row.reason)}\n")
    if len(rejected) > _SHOWN_REJECTS:
        sys.stderr.write(f"... and {len(rejected) - _SHOWN_REJECTS:,} more\n")
