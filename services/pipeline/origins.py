"""Where re-keyed records came from, and which of them are here again.

A re-keyer that is killed, or that lost its lock and does not know yet, leaves records in the copy whose offsets were
not stored; the next re-keyer sends them again. They are recognised by their place in the original, which travels in a
header: each partition of the copy keeps, in its row of `progress`, the next offset of every partition of the original,
moved in the statement that moves its fence, and drops a record below it.

Why that is enough: every re-keyer begins at offsets below which everything was acknowledged, and sends the records of
one partition of the original in order and without a gap (services/pipeline/copying.py). So wherever a record stands in
a partition of the copy, all earlier ones of the same partition of the original that belong there stand before it, each
at least once: what is below the next place is a repeat, and nothing else is. How the records of several re-keyers are
mixed does not matter.

Kafka's transactions would do the same and cost more: the embedded broker has none; a record could be read only after
the transaction it came in, so that either each waits for a large one or the broker takes many small ones; and the
offsets that count are in PostgreSQL, behind the fence, where a transaction of Kafka's does not reach.
"""

from collections.abc import Sequence

from services.pipeline.scoring import Record
from services.store.batch import Origin
from services.store.rekeying import place_of

SOURCE_HEADER = "anomaly-tui-source"
"""Partition, offset and incarnation in the original, with colons between: the last header of a re-keyed record."""


Place = tuple[int, int, int]
"""Partition, incarnation and offset in the original."""


def source_of(partition: int, incarnation: int, offset: int) -> tuple[str, bytes]:
    """The header of a record that was there."""
    return SOURCE_HEADER, b"%d:%d:%d" % (partition, offset, incarnation)


class Origins:
    """The records of one partition of a copy; `sources` are the next places in the partitions of the original."""

    def __init__(self, topic: str, sources: Sequence[int]) -> None:
        self._topic = topic
        self._sources = list(sources)

    def without_repeats(self, records: Sequence[Record]) -> tuple[list[Record], Origin]:
        """Those that are here for the first time, with their origin. Nothing counts as seen before `stored`."""
        sources = list(self._sources)
        places: dict[int, Place] = {}
        fresh: list[Record] = []
        for record in records:
            place = place_in(record)
            if place is not None:
                partition, incarnation, offset = place
                here = place_of(incarnation, offset)
                if partition >= len(sources):
                    sources += [0] * (partition + 1 - len(sources))
                if here < sources[partition]:
                    continue
                sources[partition] = here + 1
                places[record.offset] = place
            fresh.append(record)
        return fresh, Origin(self._topic, places, sources)

    def stored(self, origin: Origin) -> None:
        """A batch of that origin is committed."""
        self._sources = list(origin.sources)


def place_in(record: Record) -> Place | None:
    """Where a record of the copy was in the original; None of one that did not come from there."""
    name, value = record.headers[-1] if record.headers else ("", None)
    if name != SOURCE_HEADER or value is None:
        return None
    partition, offset, incarnation = map(int, value.split(b":"))
    return partition, incarnation, offset
