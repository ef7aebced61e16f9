"""A decision falls on the transaction that was read, however fast others arrive."""

import random
from collections.abc import Sequence
from datetime import datetime

import msgspec
import pytest

from domain.engine import FeedSlice, Snapshot
from domain.filters import Filter
from domain.triage import TriageEvent, TriageStatus
from domain.verdict import ScoredTransaction
from tests.tui.deciding import status_of
from tests.tui.fake_port import QUIET, FakePort, rows
from tests.tui.memory_triage import MemoryTriage
from tests.tui.session import SLOW_HZ, clock, pressed, running, said, settled, shown
from tui.app import ConsoleApp
from tui.decider import subject_of
from tui.lists.anomalies import AnomalyFeed, TriageList
from tui.lists.rowlist import READ_WITHIN
from tui.screens.triaging import Triaging

CONFIRMED = TriageStatus.CONFIRMED
DECISIONS = 334
"""On each of three lists: a thousand in all."""
TICK = 0.25


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Torrent(FakePort):
    """A port over so many rows that nothing may look at each of them at every pull."""

    def __init__(self) -> None:
        self.flagged: list[ScoredTransaction] = []
        self.newest = 0
        super().__init__()
        self.decisions = MemoryTriage(lambda: self.flagged, clock)

    def add(self, rows: Sequence[ScoredTransaction]) -> None:
        """Commit rows."""
        super().add(rows)
        if rows:
            self.newest = rows[-1].sequence
            self.flagged += [row for row in rows if row.flagged]

    def snapshot(self) -> Snapshot:
        """The quiet engine."""
        return msgspec.structs.replace(QUIET, transactions=self.newest)

    def feed(self, after: int, limit: int) -> FeedSlice:
        """Newest rows; the first one has the sequence 1."""
        return FeedSlice(tuple(self.rows[after:]), 0, self.newest)

    def anomalies(self, after: int, limit: int) -> FeedSlice:
        """Newest flagged rows, each 20th of all."""
        return FeedSlice(tuple(self.flagged[after // 20 :]), 0, self.newest)

    def triage_changes(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """Newest decisions, numbered from 1."""
        return tuple(self._events[after : after + limit])

    async def stored_anomalies(
        self, filter: Filter, before: datetime | None, limit: int
    ) -> tuple[ScoredTransaction, ...]:
        """None from before this engine."""
        return ()


class Arriving:
    """A hundred transactions a second, five of them anomalous, drawn at every tick."""

    def __init__(self, app: ConsoleApp, port: FakePort, hand: Hand) -> None:
        self._app, self._port, self._hand = app, port, hand
        self._last = 100

    def during(self, seconds: float) -> None:
        """Let this time pass."""
        for _ in range(round(seconds / TICK)):
            self._port.add(rows(25, first=self._last + 1))
            self._last += 25
            self._hand.now += TICK
            self._app.tick()


@pytest.mark.parametrize("screen", ["1", "2", "2 by time"])
async def test_a_thousand_decisions_under_a_hundred_rows_a_second_never_miss(screen: str) -> None:
    """The analyst reads the row that the Why pane explains, and presses a key a moment later."""
    hand, chance = Hand(), random.Random(7)
    port = Torrent()
    port.add(rows(100))
    app = ConsoleApp(port, refresh_hz=SLOW_HZ, clock=clock, theme="dark", user="ann", monotonic=hand)
    meant: list[str] = []
    async with app.run_test(size=(80, 24)) as pilot:
        await pressed(pilot, screen[0], *("r" if "by time" in screen else ""))
        arriving = Arriving(app, port, hand)
        on = app.screen
        assert isinstance(on, Triaging)
        while len(meant) < DECISIONS:
            read = on.subject  # type: ignore[attr-defined]
            assert read is not None
            arriving.during(chance.choice([0, TICK, 2 * TICK, 4 * TICK]))
            before = len(port.decided)
            on.action_triage("confirmed")
            await app.workers.wait_for_complete()
            for ident in port.decided[before:]:
                assert ident == read.transaction.transaction_id
                meant.append(ident)
            # A row that is done is left for the next one, as an analyst would.
            if screen == "1":
                rows_shown = on.query_one(AnomalyFeed)
                if read.transaction.transaction_id in meant:
                    rows_shown.set_follow(True)
                    app.tick()
    assert len(set(meant)) == DECISIONS


async def test_the_cursor_of_the_queue_stays_on_its_alert_while_worse_ones_arrive() -> None:
    port = FakePort(rows(40))
    async with running(port) as (app, pilot):
        await pressed(pilot, "2")
        queue = app.screen.query_one(TriageList)
        assert queue.selected is not None
        read = queue.selected.sequence
        port.add(rows(160, first=41))
        app.tick()
        await settled(pilot)
        app.tick()
        await settled(pilot)
        assert queue.selected is not None
        assert queue.selected.sequence == read
        assert queue.cursor_index > 0
        await pressed(pilot, "c")
        assert await status_of(port, read) is CONFIRMED


async def test_a_row_that_came_under_the_cursor_by_itself_is_not_decided_on_within_half_a_second() -> None:
    hand = Hand()
    port = FakePort(rows(200))
    app = ConsoleApp(port, refresh_hz=SLOW_HZ, clock=clock, theme="dark", user="ann", monotonic=hand)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pressed(pilot, "2")
        hand.now += 1
        queue = app.screen.query_one(TriageList)
        first = queue.selected
        assert first is not None
        await pressed(pilot, "c")
        second = queue.selected
        assert second is not None
        assert second != first
        hand.now += READ_WITHIN / 2
        await pressed(pilot, "c")
        assert await status_of(port, second.sequence) is None
        assert said(app)[-1] == f"{subject_of(second)} came here just now: press the key again to decide on it"
        hand.now += READ_WITHIN / 2
        await pressed(pilot, "c")
        assert await status_of(port, second.sequence) is CONFIRMED


async def test_a_row_that_the_user_moves_to_is_decided_on_at_once() -> None:
    hand = Hand()
    port = FakePort(rows(200))
    app = ConsoleApp(port, refresh_hz=SLOW_HZ, clock=clock, theme="dark", user="ann", monotonic=hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await pressed(pilot, "2", "j", "c")
        assert len(port.decided) == 1
        assert "FRAUD" in shown(app, TriageList)
