"""What Kafka is asked of the copy as a topic: to take large records, and to forget what is stored."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from services.brokers.quiet import QUIET

log = structlog.get_logger("rekeyer")

ANSWER_WITHIN = 10.0
LIMIT = "max.message.bytes"
LARGEST = 2**31 - 1
"""The largest that Kafka knows."""

WIDER = 8
"""How many times as large a batch of the copy may be as one of the original, which may be compressed better."""


def widen(servers: Mapping[str, Any], original: str, copy: str) -> None:
    """Let the copy take all that the original does; blocks. Where Kafka does not let us, it stays as it is."""
    admin = AdminClient({**servers, **QUIET})
    try:
        asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in (original, copy)]
        answers = admin.describe_configs(asked, request_timeout=ANSWER_WITHIN)
        taken, given = (int(_answer(answers[each])[LIMIT].value) for each in asked)
        needed = min(LARGEST, WIDER * taken)
        if given >= needed:
            return
        entry = ConfigEntry(LIMIT, str(needed), incremental_operation=AlterConfigOpType.SET)
        changed = ConfigResource(ConfigResource.Type.TOPIC, copy, incremental_configs=[entry])
        for future in admin.incremental_alter_configs([changed], request_timeout=ANSWER_WITHIN).values():
            _answer(future)
        log.info("the copy takes larger records now", topic=copy, bytes=needed)
    except KafkaException as error:
        log.warning("large records may not fit into the copy", topic=copy, error=error.args[0].str())


def delete_before(servers: Mapping[str, Any], topic: str, offsets: Mapping[int, int]) -> None:
    """Let Kafka delete the records below these offsets; blocks. It may refuse, and then keeps them."""
    admin = AdminClient({**servers, **QUIET})
    asked = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items() if offset > 0]
    if not asked:
        return
    try:
        for future in admin.delete_records(asked, request_timeout=ANSWER_WITHIN).values():
            _answer(future)
    except KafkaException as error:
        log.warning("Kafka keeps records that are stored", topic=topic, error=str(error))


def _answer(future: "Future[Any]") -> Any:
    """What Kafka answers. Raises: KafkaException, also where librdkafka forgets its own limit on an answer."""
    try:
        return future.result(2 * ANSWER_WITHIN)
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
