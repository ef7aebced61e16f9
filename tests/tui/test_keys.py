"""Every key of the console, pressed."""

import pytest

from tests.tui.fake_port import FakePort, row, rows
from tests.tui.session import clock, pressed, running, shown, text_of, ticked
from tui.app import ConsoleApp
from tui.lists.anomalies import AnomalyFeed
from tui.lists.feed import Feed
from tui.lists.filterline import FilterLine
from tui.modals.help import Help
from tui.screens.detail import Detail
from tui.screens.health import HealthScreen
from tui.screens.live import LiveScreen
from tui.screens.logs import LogsScreen
from tui.screens.users import UsersScreen
from tui.themes import THEMES
from tui.widgets.reading import Reading


async def test_following_shows_the_newest_row_last() -> None:
    async with running(FakePort(rows(200))) as (app, _):
        assert "u-0400" in shown(app, Feed).splitlines()[-1]


async def test_an_upward_move_releases_follow_and_selects() -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        await pilot.press("k")
        feed = app.screen.query_one(Feed)
        assert not feed.follow
        assert feed.selected is not None
        assert feed.selected.sequence == 199


async def test_down_while_following_keeps_following() -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        await pilot.press("j", "down", "pagedown")
        assert app.screen.query_one(Feed).follow


async def test_movement_keys_reach_top_end_and_pages() -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        feed = app.screen.query_one(Feed)
        await pilot.press("g")
        assert feed.selected == row(1)
        await pilot.press("j", "down", "k")
        assert feed.selected == row(2)
        await pilot.press("pagedown")
        assert feed.selected == row(2 + feed.page)
        await pilot.press("pageup", "home")
        assert feed.selected == row(1)
        await pilot.press("G")
        assert feed.follow
        assert feed.selected is None


async def test_f_follows_and_stops_following() -> None:
    async with running(FakePort(rows(50))) as (app, pilot):
        feed = app.screen.query_one(Feed)
        await pilot.press("f")
        assert feed.selected == row(50)
        await pilot.press("f")
        assert feed.follow


async def test_freeze_counts_what_arrives_and_shows_it_afterwards() -> None:
    port = FakePort(rows(50))
    async with running(port) as (app, pilot):
        await pilot.press("space")
        port.add(rows(1204, first=51))
        app.tick()
        await pilot.pause()
        assert len(app.intake.feed) == 50
        assert "+1 204 pending" in shown(app, Feed)
        assert "FROZEN" in shown(app, "#status")
        await pilot.press("space")
        await pilot.pause()
        assert len(app.intake.feed) == 1254
        assert "LIVE" in shown(app, "#status")


async def test_a_filter_applies_to_what_is_held_and_to_what_comes() -> None:
    port = FakePort(rows(200))
    async with running(port) as (app, pilot):
        await pilot.press("slash", *"amount>9000", "enter")
        await pilot.pause()
        assert app.intake.feed.filter_text == "amount>9000"
        held = [app.intake.feed.rows[index].sequence for index in range(len(app.intake.feed))]
        expected = [each.sequence for each in rows(200) if each.transaction.amount > 9000]
        assert held == expected
        port.add(rows(10, first=201))
        app.tick()
        await pilot.pause()
        assert len(app.intake.feed) == len(expected) + sum(each.transaction.amount > 9000 for each in rows(10, 201))
        assert "/amount>9000" in shown(app, Feed)


async def test_matches_are_counted_while_typing() -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        await pilot.press("slash", *"user:u-0037")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "1 of 200 match" in shown(app, FilterLine)


async def test_a_filter_that_does_not_parse_shows_a_caret_and_is_not_applied() -> None:
    async with running(FakePort(rows(50))) as (app, pilot):
        await pilot.press("slash", *"amount>", "enter")
        await pilot.pause()
        assert "^" in shown(app, "#filter-feedback")
        assert app.screen.query_one(FilterLine).display
        assert app.intake.feed.filter_text == ""


async def test_escape_leaves_the_filter_line_then_clears_the_filter() -> None:
    async with running(FakePort(rows(50))) as (app, pilot):
        await pilot.press("slash", *"amount>9000", "enter")
        await pilot.press("slash", *"0", "escape")
        assert not app.screen.query_one(FilterLine).display
        assert app.intake.feed.filter_text == "amount>9000"
        await pilot.press("escape")
        await pilot.pause()
        assert app.intake.feed.filter_text == ""
        assert len(app.intake.feed) == 50


async def test_n_finds_matches_of_the_last_filter_among_all_rows() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pilot.press("slash", *"amount>9000", "enter", "escape", "g")
        feed = app.screen.query_one(Feed)
        await pilot.press("n")
        await app.workers.wait_for_complete()
        first = feed.selected
        await pilot.press("n")
        await app.workers.wait_for_complete()
        assert first is not None
        assert feed.selected is not None
        assert (first.sequence, feed.selected.sequence) == (4, 9) or (first.sequence, feed.selected.sequence) == (
            20,
            40,
        )
        await pilot.press("N")
        await app.workers.wait_for_complete()
        assert feed.selected == first


async def test_brackets_walk_the_anomalies_and_take_the_feed_along() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert app.screen.query_one(AnomalyFeed).selected == row(80)
        assert app.screen.query_one(Feed).selected == row(80)
        await pilot.press("right_square_bracket")
        assert app.screen.query_one(AnomalyFeed).selected == row(100)


async def test_tab_moves_the_keys_to_the_other_list() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pilot.press("tab", "k")
        assert app.screen.query_one(AnomalyFeed).selected == row(80)
        assert app.screen.query_one(Feed).follow
        await pilot.press("tab")
        assert app.focused is app.screen.query_one(Feed)


async def test_enter_opens_the_selected_transaction_and_escape_closes_it() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pilot.press("k", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Detail)
        assert "t-00000099" in shown(app, Reading)
        await pilot.press("j", "k", "G", "g", "pagedown", "pageup", "escape")
        assert isinstance(app.screen, LiveScreen)


async def test_x_and_u_show_their_panes_in_place_on_a_small_terminal() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        live = app.screen
        assert not live.query_one("#why").region
        await pilot.press("x")
        await pilot.pause()
        assert "enhanced" in shown(app, "#why")
        assert not live.query_one(AnomalyFeed).region
        await pilot.press("u")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "countries" in shown(app, "#profile")
        assert not live.query_one("#why").region
        await pilot.press("escape")
        await pilot.pause()
        assert live.query_one(AnomalyFeed).region


@pytest.mark.parametrize("size", [(59, 20), (80, 15)])
async def test_x_and_u_lead_to_what_has_no_room_on_a_tiny_terminal(size: tuple[int, int]) -> None:
    async with running(FakePort(rows(100)), size=size) as (app, pilot):
        await pressed(pilot, "x")
        assert isinstance(app.screen, Detail)
        await pressed(pilot, "escape", "u")
        assert isinstance(app.screen, UsersScreen)


async def test_an_opened_transaction_leads_to_its_reasons_and_its_user_at_80x24() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pressed(pilot, "left_square_bracket", "enter", "x")
        assert "t-00000100" not in shown(app, Reading)
        assert "Malta, never seen" in shown(app, Reading)
        await pressed(pilot, "u")
        assert isinstance(app.screen, UsersScreen)
        await ticked(pilot)
        assert "u-0700" in text_of(app)


async def test_x_explains_the_alert_of_the_queue() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pressed(pilot, "2", "x")
        assert isinstance(app.screen, Detail)


async def test_number_keys_open_the_screens_that_exist() -> None:
    async with running(FakePort(rows(20))) as (app, pilot):
        await pilot.press("4")
        assert isinstance(app.screen, HealthScreen)
        await pilot.press("5")
        assert isinstance(app.screen, LogsScreen)
        await pilot.press("2", "3", "1")
        assert isinstance(app.screen, LiveScreen)


async def test_t_goes_through_the_themes() -> None:
    async with running(FakePort(rows(20))) as (app, pilot):
        seen = {app.theme}
        for _ in THEMES[1:]:
            await pilot.press("t")
            seen.add(app.theme)
        assert seen == {theme.name for theme in THEMES}


@pytest.mark.parametrize("key", ["q", "question_mark"])
async def test_help_lists_every_key_and_closes(key: str) -> None:
    async with running(FakePort(rows(20)), size=(100, 60)) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        assert "releases follow" in shown(app, Reading)
        await pilot.press(key)
        assert isinstance(app.screen, LiveScreen)


async def test_the_palette_runs_an_action() -> None:
    async with running(FakePort(rows(20))) as (app, pilot):
        await pilot.press("colon")
        await pilot.press(*"freeze")
        await pilot.wait_for_scheduled_animations()
        await app.workers.wait_for_complete()
        await pilot.press("enter", "enter")
        await pilot.pause()
        assert app.intake.frozen


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_leaving_exits_with_zero(key: str) -> None:
    app = ConsoleApp(FakePort(rows(20)), clock=clock)
    async with app.run_test() as pilot:
        await pilot.press(key)
    assert app.return_value == 0


async def test_a_click_selects_the_row_under_the_pointer() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pilot.click(Feed, offset=(5, 3))
        feed = app.screen.query_one(Feed)
        assert feed.selected is not None
        assert feed.selected.transaction.user_id in shown(app, Feed).splitlines()[3]
