"""Make the database of the schema before the newest that `test_rolling_upgrade.py` upgrades: anew for each migration.

python -m tests.faults.old_database
"""

import argparse
import asyncio
import os
import signal
import tempfile
from pathlib import Path

import asyncpg

from detectors.formats import FORMAT
from services.brokers.external import ExternalBroker
from services.brokers.security import Security
from services.sending.producer import Sender
from services.settings import load
from services.store import dump, schema
from services.store.database import EmbeddedDatabase
from tests.consuming import send, simulated
from tests.faults.daemon import Daemon
from tests.faults.own_kafka import OwnKafka
from tests.faults.releases import before_the_newest_migration
from tests.waiting import until

ROWS, USERS, PARTITIONS = 1_200, 8, 2
"""More than the first fit waits for."""

TOPIC = "transactions"
BEFORE = schema.migrations()[-1].version - 1
FILE = Path(__file__).with_name(f"schema_{BEFORE}.dump")
MADE_WITHIN = 300.0


async def make(folder: Path) -> None:
    """Have a daemon of the release before store transactions and fit models, and keep what it leaves."""
    (folder / "code").mkdir()
    database, kafka = EmbeddedDatabase(folder), OwnKafka(folder / "kafka", load({}).settings.cache_dir)
    kafka.start()
    await database.start(lambda line: None)
    await kafka.make_topic(TOPIC, PARTITIONS)
    broker = ExternalBroker(kafka.bootstrap, Security())
    await broker.start(lambda line: None)
    sender = Sender(broker, TOPIC)
    await sender.start()
    await send(sender, simulated(ROWS, users=USERS))
    await sender.stop()
    await broker.stop()
    code = before_the_newest_migration(folder / "code")
    daemon = Daemon(folder, kafka.bootstrap, database.dsn, "--topic", TOPIC, code=code)
    await daemon.start()
    await daemon.started(MADE_WITHIN)
    connection = await asyncpg.connect(database.dsn)

    async def all_judged() -> bool:
        judged = "SELECT count(*) FROM transactions WHERE enhanced_status IS DISTINCT FROM 'warming'"
        return bool(await connection.fetchval(judged) == ROWS)

    await until(all_judged, MADE_WITHIN)
    await daemon.end(signal.SIGTERM)
    # Of models of another format only the names are read.
    await connection.execute("UPDATE models SET body = '' WHERE format <> $1", FORMAT)
    await connection.close()
    with FILE.open("wb") as file:
        await dump.save(database.dsn, file)
    await database.stop()
    kafka.stop()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.environ["ANOMALY_TUI_GROUP"] = "old-database"
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-old-", ignore_cleanup_errors=True) as temporary:
        asyncio.run(make(Path(temporary)))
