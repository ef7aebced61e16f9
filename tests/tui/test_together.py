"""What one part of the console does to another: triage, orders, export and copies on every screen that has rows."""

from textual.widgets import Input

from domain.triage import TriageStatus
from tests.tui.deciding import status_of, stored_before
from tests.tui.everywhere import EVIL
from tests.tui.fake_port import BUSY, FakePort, of_few_users, rows
from tests.tui.session import pressed, running, said, settled, shown
from tui.app import ConsoleApp
from tui.lists.anomalies import TriageList
from tui.lists.rowlist import RowList
from tui.lists.stored import StoredAnomalies, StoredTransactions
from tui.lists.users import UserTable
from tui.modals.export import Export
from tui.panes.why import WhyPane
from tui.screens.detail import Detail
from tui.screens.users import UsersScreen


async def at_the_transactions_of_a_user(app: ConsoleApp, pilot) -> None:
    """In Live, below the feed those in PostgreSQL."""
    await pressed(pilot, "3", "l")
    app.tick()
    await settled(pilot)


async def test_all_that_match_below_a_user_are_only_that_users() -> None:
    port = FakePort([*of_few_users(), *rows(100, first=401)])
    async with running(port) as (app, pilot):
        await at_the_transactions_of_a_user(app, pilot)
        await pressed(pilot, "tab")
        assert app.screen.focused is app.screen.query_one(StoredTransactions)
        await pressed(pilot, "A", "a", "y")
        decided = set(await port.triage_of([row.transaction.transaction_id for row in port.rows]))
        others = {
            row.transaction.transaction_id for row in port.rows if row.transaction.user_id != BUSY and row.flagged
        }
        assert decided
        assert others
        assert not decided & others


async def test_below_a_user_no_anomaly_of_somebody_else_is_decided_on_unseen() -> None:
    port = FakePort(of_few_users())
    async with running(port) as (app, pilot):
        await at_the_transactions_of_a_user(app, pilot)
        await pressed(pilot, "a")
        assert not await port.triage_of([row.transaction.transaction_id for row in port.rows])
        assert any("nothing to decide on" in each for each in said(app))


async def test_what_was_decided_below_a_user_is_shown_there_and_in_the_feed_above() -> None:
    port = FakePort(of_few_users())
    async with running(port) as (app, pilot):
        await pressed(pilot, "3", "tab", "k", "a")
        app.tick()
        await settled(pilot)
        assert isinstance(app.screen, UsersScreen)
        selected = app.screen.query_one(StoredAnomalies).selected
        assert selected is not None
        assert selected.triage is not None
        assert "ack" in shown(app, StoredAnomalies)


async def test_a_list_that_was_put_back_shows_what_was_decided_meanwhile() -> None:
    port = FakePort(rows(60))
    async with running(port) as (app, pilot):
        await pressed(pilot, "k", "3", "l")
        await port.decide(["t-00000060"], TriageStatus.ACKNOWLEDGED, by="bob")
        app.tick()
        await pressed(pilot, "escape", "1")
        live = app.screen.query_one("#feed", RowList)
        live.select(60)
        assert live.selected is not None
        assert live.selected.triage is not None


async def test_escape_ends_a_list_alone_and_an_order_on_screen_two() -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        await pressed(pilot, "2", "s", "o")
        triage = app.screen.query_one(TriageList)
        assert "by sev ▼" in shown(app, TriageList)
        assert not app.screen.query_one(WhyPane).region
        await pressed(pilot, "escape")
        assert app.screen.query_one(WhyPane).region
        assert triage.order is not None
        await pressed(pilot, "escape")
        assert triage.order is None
        assert triage.follow


async def test_a_sorted_list_does_not_read_all_of_history() -> None:
    port = FakePort(rows(60))
    port.stored = stored_before(900)
    async with running(port) as (app, pilot):
        await pressed(pilot, "2", "s")
        asked = len(port.anomalies_asked)
        for _ in range(5):
            app.tick()
            await settled(pilot)
        assert len(port.anomalies_asked) == asked


async def test_screen_two_exports_from_history_what_it_shows() -> None:
    port = FakePort(rows(200))
    async with running(port) as (app, pilot):
        await pressed(pilot, "2", "slash", *"amount>100", "enter", "e")
        assert isinstance(app.screen, Export)
        assert "filter  triage:open amount>100 " in shown(app, "#export-choices")
        await pressed(pilot, "escape", "O", "e")
        assert isinstance(app.screen, Export)
        assert "filter  is:flagged amount>100 " in shown(app, "#export-choices")


async def test_steps_and_users_are_reached_from_screen_two() -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        await pressed(pilot, "2", "left_square_bracket", "left_square_bracket")
        triage = app.screen.query_one(TriageList)
        assert triage.selected is not None
        user = triage.selected.transaction.user_id
        await pressed(pilot, "u")
        app.tick()
        await settled(pilot)
        assert isinstance(app.screen, UsersScreen)
        assert app.screen.query_one(UserTable).user == user
        await pressed(pilot, "escape")
        assert app.current_mode == "anomalies"


async def test_a_transaction_is_copied_from_its_detail_and_from_a_user(monkeypatch) -> None:
    copied: list[str] = []
    async with running(FakePort(of_few_users())) as (app, pilot):
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await pressed(pilot, "k", "enter")
        assert isinstance(app.screen, Detail)
        await pressed(pilot, "y", "escape", "3", "y")
        assert len(copied) == 1
        await pressed(pilot, "tab", "Y")
        assert len(copied) == 2
        assert f'"{BUSY}"' in copied[1]


async def test_a_note_of_another_console_is_only_text_where_it_is_changed() -> None:
    port = FakePort(rows(40))
    async with running(port) as (app, pilot):
        await port.decide(["t-00000040"], None, note=EVIL, by="bob")
        app.tick()
        await pressed(pilot, "left_square_bracket", "w")
        value = app.screen.query_one(Input).value
        assert "[/oops]" in value
        assert "\x1b" not in value


async def test_the_rows_of_a_user_are_filtered_and_sorted_like_others() -> None:
    async with running(FakePort(of_few_users())) as (app, pilot):
        await at_the_transactions_of_a_user(app, pilot)
        stored = app.screen.query_one(StoredTransactions)
        await pressed(pilot, "tab", "s", "s")
        assert "by amount ▼" in shown(app, StoredTransactions)
        await pressed(pilot, "escape")
        await pressed(pilot, "slash", *" amount>9000", "enter")
        app.tick()
        await settled(pilot)
        assert stored.window.filter_text == f"user={BUSY} amount>9000"
        assert all(row.transaction.amount > 9000 for row in stored.window.rows)
        assert await status_of(app.port, 1) is None
