"""A console's copy of an engine."""

import msgspec

from services.attach.mirror import MOST_PARTS, MOST_ROWS, Mirror, FeedParts
from services.attach.protocol import FeedPart, decoder, encode
from services.attach.protocol import Update as Message
from services.attach.subscription import Subscription
from services.console.reader import Mark, engine_of
from tests.tui.fake_port import FakePort, row, rows


def part(first: int, count: int, **more: object) -> FeedPart:
    found = tuple(rows(count, first))
    return FeedPart(first + count - 1, found, **more)  # type: ignore[arg-type]


def test_a_reader_gets_each_row_once_and_every_count() -> None:
    parts = FeedParts()
    parts.add(part(1, 10, refill=True, unmatched=3))
    first = parts.since(0, 100)
    assert ([row.sequence for row in first.rows], first.refill, first.unmatched) == (list(range(1, 11)), True, 3)
    parts.add(part(20, 5, missed=7, unmatched=2))
    parts.add(part(30, 5, missed=1))
    second = parts.since(first.upto, 100)
    assert [row.sequence for row in second.rows] == [20, 21, 22, 23, 24, 30, 31, 32, 33, 34]
    assert (second.missed, second.unmatched, second.refill) == (8, 2, False)
    assert parts.since(second.upto, 100).rows == ()
    assert parts.since(first.upto, 100) == second, "reading changes nothing"


def test_more_than_the_limit_are_the_newest_and_the_others_missed() -> None:
    parts = FeedParts()
    parts.add(part(1, 10))
    found = parts.since(0, 4)
    assert ([row.sequence for row in found.rows], found.missed) == ([7, 8, 9, 10], 6)


def test_what_begins_again_replaces_what_nobody_read_yet() -> None:
    parts = FeedParts()
    parts.add(part(1, 10, refill=True))
    read = parts.since(0, 100).upto
    parts.add(part(11, 10))
    parts.add(part(5, 3, refill=True))
    found = parts.since(read, 100)
    assert ([row.sequence for row in found.rows], found.refill) == ([5, 6, 7], True)


def test_what_nobody_reads_is_bounded_and_counted() -> None:
    parts = FeedParts()
    few = tuple(rows(20))
    for number in range(MOST_PARTS * 2):
        parts.add(FeedPart(number, few, unmatched=1))
    found = parts.since(0, MOST_ROWS)
    assert len(found.rows) <= MOST_ROWS
    assert found.missed + len(found.rows) == MOST_PARTS * 2 * 20
    assert found.unmatched == MOST_PARTS * 2


async def test_a_snapshot_of_changes_is_the_snapshot() -> None:
    port, mirror = FakePort(rows(3)), Mirror()
    subscription = Subscription(port, None)
    understood = decoder(Message)
    for changes in ({}, {"rate": 3.5, "open_anomalies": None}, {"partitions": ()}):
        port.changes |= changes
        mirror.apply(understood.decode(encode(await subscription.update())))
        assert mirror.snapshot == port.snapshot()
    assert mirror.mark == Mark(engine_of(port.snapshot()), rows=3, triage=0)


async def test_fields_of_a_newer_engine_are_passed_over() -> None:
    update = await Subscription(FakePort(), None).update()
    newer = msgspec.structs.replace(update, snapshot={**update.snapshot, "moon": msgspec.Raw(encode("full"))})
    mirror = Mirror()
    mirror.apply(newer)
    assert mirror.snapshot == FakePort().snapshot()


def test_rows_survive_the_way_exactly() -> None:
    sent = FeedPart(9, (row(20), row(21)))
    assert decoder(FeedPart).decode(encode(sent)) == sent
