"""The id that Kafka gives each topic when it is created, which distinguishes topics of the same name."""

import asyncio
from typing import Any

from services.brokers.broker import ANSWER_WITHIN, Unanswered
from services.brokers.quiet import QUIET

_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""Sixteen zeros in base64: a broker from before Kafka 2.8."""


class TopicIds:
    """Asks a cluster for the ids of topics. aiokafka cannot, so this is a librdkafka client of its own."""

    def __init__(self) -> None:
        self._client: Any = None
        self._bootstrap = ""

    async def of(self, topic: str, bootstrap: str, options: dict[str, Any]) -> str | None:
        """The topic's id, empty where the cluster has no ids, None where there is no such topic. Raises Unanswered."""
        from confluent_kafka import KafkaError, KafkaException, TopicCollection
        from confluent_kafka.admin import AdminClient

        try:
            if self._client is None or self._bootstrap != bootstrap:
                self._client = AdminClient({"bootstrap.servers": bootstrap, **QUIET, **options})
                self._bootstrap = bootstrap
            asked = self._client.describe_topics(TopicCollection([topic]), request_timeout=ANSWER_WITHIN)
            found = str((await asyncio.wrap_future(asked[topic])).topic_id)
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            if code == KafkaError.UNSUPPORTED_VERSION:
                return ""
            raise Unanswered(str(error.args[0].str())) from error
        return "" if found == _NO_ID else found

    def close(self) -> None:
        """Disconnect."""
        self._client = None
