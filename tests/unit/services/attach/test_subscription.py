"""What a console is told: everything that it shows, nothing else, and the rest in figures that add up."""

import pytest

from domain.engine import BEHIND
from domain.filters import EVERYTHING, parse
from domain.triage import TriageStatus
from services.attach.mirror import Mirror
from services.attach.protocol import Update, Watch
from services.attach.subscription import BACKLOG, SAVED_UPDATES, TESTED_AT_ONCE, USUAL_HZ, Subscription
from services.console.reader import Mark, engine_of
from tests.tui.fake_port import FakePort, rows

ROWS = 10
ANOMALOUS = parse("is:flagged")


async def told(port: FakePort, filter=EVERYTHING) -> Subscription:
    """A console that knows what is in the rings."""
    subscription = Subscription(port, None)
    subscription.watch(Watch(filter, ROWS))
    await subscription.update()
    return subscription


def sequences(update: Update) -> list[int]:
    return [row.sequence for row in update.feed.rows]


async def test_who_comes_gets_what_the_rings_hold() -> None:
    update = await Subscription(FakePort(rows(50)), None).update()
    assert update.feed.refill
    assert sequences(update) == list(range(1, 51))
    assert [row.sequence for row in update.anomalies.rows] == [20, 40]
    assert update.anomalies.refill
    assert set(update.snapshot) >= {"at", "rate", "workers", "partitions"}
    assert len(update.logs) == 60


async def test_at_rest_an_update_says_nothing() -> None:
    subscription = await told(FakePort(rows(50)))
    update = await subscription.update()
    assert (update.snapshot, update.feed.rows, update.anomalies.rows, update.events, update.logs) == (
        {},
        (),
        (),
        (),
        (),
    )


async def test_only_what_changed_of_the_engine_is_told() -> None:
    port = FakePort()
    subscription = await told(port)
    port.changes["rate"] = 3.0
    assert set((await subscription.update()).snapshot) == {"rate"}


@pytest.mark.parametrize("text", ["", "is:flagged", "amount>100", "user:nobody"])
async def test_rows_that_match_are_sent_and_the_others_counted(text: str) -> None:
    port = FakePort()
    watched = parse(text)
    subscription = await told(port, watched)
    for first in range(1, 1_000, 30):
        new = rows(30, first)
        port.add(new)
        update = await subscription.update()
        matching = [row.sequence for row in new if watched.matches(row)]
        assert sequences(update) == matching[len(matching) - len(update.feed.rows) :], "the newest ones"
        assert update.feed.missed == len(matching) - len(update.feed.rows)
        assert update.feed.unmatched == 30 - len(matching)
        assert update.feed.upto == new[-1].sequence


async def test_a_burst_fits_where_it_was_quiet_before() -> None:
    port = FakePort()
    subscription = await told(port)
    port.add(rows(ROWS * SAVED_UPDATES))
    assert len((await subscription.update()).feed.rows) == ROWS * SAVED_UPDATES
    port.add(rows(ROWS * SAVED_UPDATES, 1_001))
    assert len((await subscription.update()).feed.rows) == ROWS


@pytest.mark.parametrize("hz", [1.0, 2.0, 4.0, 10.0])
async def test_a_second_has_room_for_as_many_rows_at_any_pace(hz: float) -> None:
    port = FakePort()
    subscription = Subscription(port, None, hz)
    subscription.watch(Watch(EVERYTHING, ROWS))
    sent = 0
    for number in range(int(hz) * 5):
        port.add(rows(500, number * 500 + 1))
        found = await subscription.update()
        sent += len(found.feed.rows) if number >= hz * 2 else 0
    assert sent == ROWS * USUAL_HZ * 3


async def test_updates_are_half_as_many_while_the_engine_is_behind() -> None:
    port = FakePort()
    subscription = await told(port)
    usual = subscription.interval
    assert usual == 1 / USUAL_HZ
    port.changes["lag"] = BEHIND + 1
    await subscription.update()
    assert subscription.interval == 2 * usual
    port.changes["lag"] = BEHIND
    await subscription.update()
    assert subscription.interval == usual


async def test_another_filter_begins_again_from_the_ring_with_what_lies_between() -> None:
    port = FakePort(rows(400))
    subscription = await told(port)
    subscription.watch(Watch(ANOMALOUS, ROWS))
    update = await subscription.update()
    assert update.feed.refill
    assert sequences(update) == list(range(20, 401, 20))
    assert update.feed.unmatched == 380
    assert not update.anomalies.refill
    assert update.anomalies.rows == ()
    subscription.watch(Watch(ANOMALOUS, ROWS + 1))
    assert not (await subscription.update()).feed.refill, "it is the same filter"


async def test_a_refill_counts_no_further_back_than_it_reaches() -> None:
    port = FakePort(rows(BACKLOG * 3))
    subscription = await told(port, parse("amount<100"))
    subscription.watch(Watch(EVERYTHING, ROWS))
    update = await subscription.update()
    assert (len(update.feed.rows), update.feed.unmatched) == (BACKLOG, 0)


async def test_anomalies_come_whatever_is_watched_and_are_sent_once() -> None:
    port = FakePort()
    subscription, mirror = Subscription(port, None), Mirror()
    mirror.apply(await subscription.update())
    for watched in (EVERYTHING, parse("user:nobody"), ANOMALOUS):
        subscription.watch(Watch(watched, ROWS))
        before = len(port.rows)
        port.add(rows(60, before + 1))
        update = await subscription.update()
        sent = [row.sequence for row in (*update.feed.rows, *update.anomalies.rows)]
        if not update.feed.refill:
            assert len(sent) == len(set(sent))
        mirror.apply(update)
        expected = [row.sequence for row in port.rows if row.flagged]
        assert [row.sequence for row in mirror.anomalies.since(0, 1_000).rows] == expected


async def test_what_a_slow_console_cannot_be_told_is_counted() -> None:
    port = FakePort()
    subscription = await told(port)
    port.add(rows(TESTED_AT_ONCE + 1_000))
    update = await subscription.update()
    assert update.feed.missed + len(update.feed.rows) == TESTED_AT_ONCE + 1_000
    assert update.feed.rows[-1].sequence == TESTED_AT_ONCE + 1_000


async def test_decisions_are_told_once_and_not_those_of_before() -> None:
    port = FakePort(rows(50))
    await port.decide(["t-00000020"], TriageStatus.CONFIRMED, by="ann")
    subscription = Subscription(port, None)
    update = await subscription.update()
    assert update.events == ()
    assert update.anomalies.rows[0].triage is not None, "the row carries it"
    decision = await port.decide(["t-00000040"], TriageStatus.CONFIRMED, by="ann")
    assert (await subscription.update()).events == decision.events
    assert (await subscription.update()).events == ()


async def test_who_comes_back_goes_on_where_it_was() -> None:
    port = FakePort(rows(50))
    after = Mark(engine_of(port.snapshot()), rows=45, triage=0)
    update = await Subscription(port, after).update()
    assert not update.feed.refill
    assert sequences(update) == [46, 47, 48, 49, 50]
    update = await Subscription(port, after._replace(engine="other")).update()
    assert update.feed.refill
    assert len(update.feed.rows) == 50
