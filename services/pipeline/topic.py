"""Watches whether the topic is still the one that is read, or another that was made under its name."""

import asyncio

import structlog

from services.brokers.broker import Broker, Unanswered

log = structlog.get_logger("pipeline")

LOOK_EVERY = 5.0


class TopicWatch:
    """`id` is what Kafka tells topics of one name apart by: empty where it does not, None while there is no such topic.

    `changed` is set once it is another topic, and reset by who has acted on it. `gone` says that there was none at two
    looks in a row: a broker may not know yet what was just made.
    """

    def __init__(self, broker: Broker, topic: str) -> None:
        self.name = topic
        self.id: str | None = ""
        self.changed = False
        self.gone = False
        self._broker = broker
        self._unanswered = False

    def follow(self, topic: str) -> None:
        """Watch another name, where it is one."""
        if topic != self.name:
            self.name, self.id, self.gone = topic, "", False

    async def watch(self) -> None:
        """Look for ever. Beside the polling: an answer may take seconds."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """Ask which topic has the name now; without an answer it counts as the same."""
        try:
            found = await self._broker.topic_id(self.name)
        except Unanswered as error:
            if not self._unanswered:
                log.warning("Kafka does not say which topic this is", topic=self.name, error=str(error))
            self._unanswered = True
            return
        self._unanswered = False
        self.gone = found is None and self.id is None
        if found != self.id:
            if found is None:
                log.error("the topic is gone", topic=self.name)
            else:
                self.changed = True
        self.id = found
