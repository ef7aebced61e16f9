"""Which records of a re-keyed topic are in its copy, as Kafka's log of the copy says."""

from collections.abc import AsyncIterator

from aiokafka import TopicPartition

from services.brokers.log import LogReader
from services.pipeline.origins import Place, place_in


async def places_in(reader: LogReader, copy: TopicPartition, first: int) -> AsyncIterator[tuple[int, Place]]:
    """Each offset of a partition of the copy from `first` on, with where its record was in the original.

    Raises: KafkaError, TimeoutError or OSError where Kafka does not answer; CorruptLog.
    """
    begins, ends = await reader.bounds(copy)
    at = max(begins, first)
    while at < ends:
        fetched = await reader.fetch(copy, at)
        if not fetched.batches:
            return
        for batch in fetched.batches:
            for record in batch.records:
                if (place := place_in(record)) is not None:
                    yield record.offset, place
        at = fetched.following
