"""Transactions from a producer over an Apache Kafka of its own to a daemon, with what they came to."""

from services.brokers.external import ExternalBroker
from services.brokers.security import Security
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import Rows, send
from tests.faults.daemon import Daemon
from tests.faults.own_kafka import OwnKafka
from tests.faults.promises import broken_promises
from tests.waiting import until

STORED_WITHIN = 240


class Flow:
    """Transactions into a topic, and a daemon that stores them."""

    def __init__(self, kafka: OwnKafka, topic: str, store: Store, daemon: Daemon) -> None:
        self._kafka = kafka
        self._topic = topic
        self._store = store
        self._daemon = daemon
        self._ends: dict[int, int] = {}
        self.sent: list[str] = []

    async def send(self, rows: Rows) -> None:
        """A producer of its own each time: what it knew of a broker that is gone does not matter."""
        broker = ExternalBroker(self._kafka.bootstrap, Security())
        await broker.start(lambda line: None)
        sender = Sender(broker, self._topic)
        await sender.start()
        await send(sender, rows)
        await sender.flush()
        await sender.stop()
        await broker.stop()
        self._ends |= sender.ends
        self.sent += [transaction.transaction_id for transaction, _ in rows]

    async def until_stored(self) -> None:
        async def stored() -> bool:
            reached = {row["partition"]: row["next_offset"] for row in await self._store.progress()}
            return all(reached.get(partition, 0) >= end for partition, end in self._ends.items())

        await until(stored, STORED_WITHIN)

    async def says(self, word: str) -> None:
        """Wait until the pipeline of the daemon says so."""

        async def said() -> bool:
            engines = await self._store.live_engines()
            return any(word in f"{w['state']} {w['detail']}" for e in engines for w in e["workers"])

        await until(said, STORED_WITHIN)

    async def no_worker_restarted(self) -> None:
        (engine,) = await self._store.live_engines()
        restarts = {worker["name"]: worker["restarts"] for worker in engine["workers"] if worker["restarts"]}
        assert restarts == {}, self._daemon.log.read_text()[-4000:]

    async def is_kept(self) -> None:
        broken = await broken_promises(
            self._store,
            sent=self.sent,
            poison=(),
            ends=self._ends,
            cluster=self._kafka.cluster_id,
            topic=self._topic,
        )
        assert broken == [], self._daemon.log.read_text()[-4000:]
