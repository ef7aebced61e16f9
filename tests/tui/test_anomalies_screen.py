"""The Anomalies screen: open ones and all, older ones, and what stays in its place."""

import pytest

from domain.triage import TriageStatus
from tests.tui.deciding import state, status_of, stored_before
from tests.tui.fake_port import FakePort, rows
from tests.tui.session import pressed, running, settled, shown
from tui.lists.anomalies import TriageList
from tui.screens import anomalies
from tui.screens.anomalies import AnomaliesScreen


@pytest.fixture
def read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue reads no more than the first page by itself, so that 500 alerts are many."""
    monkeypatch.setattr(anomalies, "_RANKED_AT_ONCE", 1)


ACKNOWLEDGED, CONFIRMED = TriageStatus.ACKNOWLEDGED, TriageStatus.CONFIRMED


async def test_screen_two_lists_open_anomalies_and_o_lists_all() -> None:
    port = FakePort(rows(100))
    await port.decide(["t-00000080"], CONFIRMED, by="bob")
    async with running(port) as (app, pilot):
        await pressed(pilot, "2")
        assert isinstance(app.screen, AnomaliesScreen)
        lines = shown(app, TriageList)
        assert "open only" in lines
        assert "FRAUD" not in lines
        assert lines.count(" open ") == 4 + 1
        await pressed(pilot, "O")
        lines = shown(app, TriageList)
        assert lines.count("FRAUD") == 1
        assert "all" in lines.splitlines()[0]
        await pressed(pilot, "O")
        assert "FRAUD" not in shown(app, TriageList)


async def test_a_filter_about_triage_says_itself_which_are_listed() -> None:
    port = FakePort(rows(100))
    await port.decide(["t-00000080"], CONFIRMED, by="bob")
    async with running(port) as (app, pilot):
        await pressed(pilot, "2", "slash", *"triage:confirmed", "enter")
        await settled(pilot)
        title, *lines = shown(app, TriageList).splitlines()
        assert ("open only" not in title, "1 of" in title) == (True, True)
        assert sum("FRAUD" in each for each in lines) == 1
        await pressed(pilot, "escape")
        await settled(pilot)
        assert "open only" in shown(app, TriageList)


async def test_what_was_decided_on_stays_in_its_place_until_the_list_is_made_again() -> None:
    port = FakePort(rows(200))
    async with running(port) as (app, pilot):
        await pressed(pilot, "2", "r", "k", "k", "a")
        listed = app.screen.query_one(TriageList)
        assert listed.selected is not None
        assert listed.selected.sequence == 180
        assert "ack" in shown(app, TriageList)
        await pressed(pilot, "O", "O")
        assert "ack" not in shown(app, TriageList)
        assert listed.selected is not None
        assert listed.selected.sequence == 180
        await pressed(pilot, "U")
        assert 160 in [each.sequence for each in app.intake.triage_queue.rows]


@pytest.mark.usefixtures("read_page_by_page")
async def test_anomalies_of_before_this_engine_can_be_decided_on() -> None:
    port = FakePort(rows(60))
    port.stored = stored_before(500)
    async with running(port) as (app, pilot):
        await pressed(pilot, "2", "r")
        window = app.intake.triage_queue
        assert len(window) >= 200
        assert "older ones" in shown(app, TriageList)
        await pressed(pilot, "g")
        await pressed(pilot, "g")
        await pressed(pilot, "g")
        assert len(window) == 503
        assert "older ones" not in shown(app, TriageList)
        idents = [each.transaction.transaction_id for each in window.rows]
        assert idents == [f"old-{number:05}" for number in range(1, 501)] + [f"t-{n:08}" for n in (20, 40, 60)]
        await pressed(pilot, "g", "c")
        assert (await port.triage_of(["old-00001"]))["old-00001"].status is CONFIRMED
        assert shown(app, TriageList).splitlines()[2].split()[-1] == "FRAUD"


@pytest.mark.usefixtures("read_page_by_page")
async def test_the_cursor_stays_while_older_ones_are_put_before_it() -> None:
    port = FakePort(rows(60))
    port.stored = stored_before(500)
    async with running(port) as (app, pilot):
        await pressed(pilot, "2", "r", "g")
        selected = app.screen.query_one(TriageList).selected
        assert selected is not None
        port.add(rows(40, first=61))
        app.tick()
        await settled(pilot)
        await pressed(pilot, "k", "j")
        assert app.screen.query_one(TriageList).selected == selected


async def test_the_filter_of_screen_two_reaches_into_history() -> None:
    port = FakePort(rows(60))
    port.stored = stored_before(500)
    async with running(port) as (app, pilot):
        await pressed(pilot, "2", "slash", *"id:old-0000 | id=t-00000020", "enter")
        assert len(app.intake.triage_queue) == 10
        assert "/id:old-0000" in shown(app, TriageList)
        assert port.anomalies_asked[-1] == "triage:open (id:old-0000 | id=t-00000020)"
        await pressed(pilot, "A", "a", "y")
        assert [await status_of(port, 20), await status_of(port, 40)] == [ACKNOWLEDGED, None]
        await pressed(pilot, "escape", "O")
        assert len(app.intake.triage_queue.filter_text) == 0


async def test_history_that_cannot_be_read_is_said_and_asked_for_again() -> None:
    class Failing(FakePort):
        broken = True

        async def stored_anomalies(self, filter, before, limit):
            if self.broken:
                raise ConnectionError("PostgreSQL is away")
            return await super().stored_anomalies(filter, before, limit)

    port = Failing(rows(60))
    port.stored = stored_before(5)
    async with running(port) as (app, pilot):
        await pressed(pilot, "2")
        assert "PostgreSQL is away" in shown(app, TriageList)
        port.broken = False
        await pressed(pilot, "k")
        assert len(app.intake.triage_queue) == 8


async def test_a_frozen_list_shows_decisions_and_takes_no_new_rows() -> None:
    port = FakePort(rows(100))
    async with running(port) as (app, pilot):
        await pressed(pilot, "2", "space", "a")
        port.add(rows(40, first=101))
        app.tick()
        await settled(pilot)
        assert len(app.intake.triage_queue) == 5
        assert state(app, 60, TriageList) == "ack"
        assert "+2 pending" in shown(app, TriageList)
