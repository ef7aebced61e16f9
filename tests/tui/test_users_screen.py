"""The Users screen, and the way down to a user's transactions and back."""

import msgspec
import pytest
from textual_plotext import PlotextPlot

from domain.engine import FeatureDrift
from domain.triage import TriageStatus
from tests.tui.fake_port import BUSY, QUALITY, FakePort, of_few_users, profile, rows
from tests.tui.session import running, shown, ticked
from tests.waiting import until
from tui.lists.anomalies import AnomalyFeed
from tui.lists.feed import Feed
from tui.lists.stored import StoredAnomalies, StoredTransactions
from tui.lists.users import UserTable
from tui.modals.plots import Plots
from tui.panes.userprofile import chart, histogram, trend, user_lines
from tui.screens.detail import Detail
from tui.screens.health import HealthScreen
from tui.screens.live import LiveScreen
from tui.screens.users import UsersScreen
from tui.themes import THEMES, palette


async def test_users_are_listed_and_sorted() -> None:
    port = FakePort(of_few_users())
    async with running(port) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        assert isinstance(app.screen, UsersScreen)
        first = shown(app, UserTable).splitlines()[2]
        assert BUSY in first
        assert "19" in first, "times flagged"
        await pilot.press("s", "s")
        await ticked(pilot)
        assert "by id" in shown(app, UserTable)
        assert "u-0000" in shown(app, UserTable).splitlines()[2]
        assert port.users_asked[-1][0] == "id"


async def test_new_users_show_how_far_they_are() -> None:
    async with running(FakePort(of_few_users())) as (app, pilot):
        await pilot.press("3", "s", "s")
        await ticked(pilot)
        assert "0/30" in shown(app, UserTable).splitlines()[2]
        assert "6/30" in shown(app, UserTable)


async def test_the_engine_is_asked_for_users_no_more_than_once_a_second() -> None:
    port = FakePort(of_few_users())
    async with running(port) as (app, pilot):
        await pilot.press("3")
        for _ in range(10):
            app.tick()
            await app.workers.wait_for_complete()
            await pilot.pause()
        assert len(port.users_asked) == 1


async def test_a_plain_word_is_the_beginning_of_an_id_and_anything_else_a_filter() -> None:
    port = FakePort(of_few_users())
    async with running(port) as (app, pilot):
        await pilot.press("3", "slash", *"u-09", "enter")
        await ticked(pilot)
        assert port.users_asked[-1] == ("flagged", "u-09", "")
        assert "Users  /u-09" in shown(app, UserTable)
        assert "u-0004" not in shown(app, UserTable)
        await pilot.press("slash", *["backspace"] * 4, *"country:MT", "enter")
        await ticked(pilot)
        assert port.users_asked[-1] == ("flagged", "", "country:MT")
        await pilot.press("escape")
        await ticked(pilot)
        assert port.users_asked[-1] == ("flagged", "", "")
        assert isinstance(app.screen, UsersScreen)


async def test_a_prefix_that_nobody_has_is_said() -> None:
    async with running(FakePort(of_few_users())) as (app, pilot):
        await pilot.press("3", "slash", *"zz", "enter")
        await ticked(pilot)
        assert "no user id begins with zz" in shown(app, UserTable)
        await pilot.press("j", "k", "G", "g", "pagedown", "enter", "l", "P")


async def test_the_cursor_stays_on_its_user_however_the_list_changes() -> None:
    port = FakePort(of_few_users())
    async with running(port) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        await pilot.press("j", "j", "k")
        user = app.screen.query_one(UserTable).user
        assert user not in (None, BUSY)
        port.rows = [each for each in port.rows if each.transaction.user_id != BUSY]
        await until(lambda: (app.tick(), BUSY not in shown(app, UserTable))[1])
        assert app.screen.query_one(UserTable).user == user
        assert shown(app, UserTable).splitlines()[2].startswith(f"▌{user}")


async def test_enter_opens_the_profile_and_escape_the_list_again() -> None:
    async with running(FakePort(of_few_users())) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        await pilot.press("enter")
        await ticked(pilot)
        profile = shown(app, "#user-profile")
        assert f"User {BUSY}" in profile
        for expected in ("how often", "threshold", "countries", "merchants", "categories", "devices", "pays by"):
            assert expected in profile
        assert ".70 to .76" in profile
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.query_one(UserTable).region


async def test_a_wide_terminal_shows_list_and_profile() -> None:
    async with running(FakePort(of_few_users()), size=(160, 48)) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        assert app.screen.query_one(UserTable).region
        assert "Mo Tu We" in shown(app, "#user-profile")
        await pilot.press("j")
        await ticked(pilot)
        assert "User u-0050" in shown(app, "#user-profile")


async def test_a_new_user_is_measured_by_the_population() -> None:
    port = FakePort(of_few_users())
    known = port.profile

    async def new(user_id):
        return msgspec.structs.replace(await known(user_id), seen=12, needed=20, thresholds=(), recent_amounts=())

    port.profile = new
    async with running(port) as (app, pilot):
        await pilot.press("3", "enter")
        await ticked(pilot)
        assert "12/20 transactions, using population" in shown(app, "#user-profile")


async def test_enter_on_an_anomaly_of_the_user_opens_its_detail() -> None:
    async with running(FakePort(of_few_users())) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        await pilot.press("enter")
        await ticked(pilot)
        assert len(app.screen.query_one(StoredAnomalies).window) == 20
        await pilot.press("k", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Detail)
        assert app.screen.row.flagged
        assert app.screen.row.transaction.user_id == BUSY
        await pilot.press("escape")
        assert isinstance(app.screen, UsersScreen)


async def test_the_cursor_stays_on_its_anomaly_when_another_one_comes() -> None:
    port = FakePort(of_few_users())
    async with running(port) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        await pilot.press("enter")
        await ticked(pilot)
        await pilot.press("k", "k")
        anomalies = app.screen.query_one(StoredAnomalies)
        assert anomalies.selected is not None
        chosen = anomalies.selected.transaction
        newest = msgspec.structs.replace(anomalies.newest, sequence=401)
        later = msgspec.structs.replace(newest.transaction, transaction_id="t-later")
        port.add([msgspec.structs.replace(newest, transaction=later)])
        # A decision makes the screen read the anomalies again.
        await port.decide([chosen.transaction_id], TriageStatus.ACKNOWLEDGED, by="ann")
        app.tick()
        await ticked(pilot)
        assert len(anomalies.window) == 21
        assert anomalies.selected is not None
        assert anomalies.selected.transaction == chosen


@pytest.mark.parametrize("theme", ["dark", "light", "ansi"])
async def test_plots_are_made_on_demand(theme: str) -> None:
    async with running(FakePort(of_few_users()), theme=theme) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        await pilot.press("P")
        await ticked(pilot)
        assert isinstance(app.screen, Plots)
        assert "the newest 200 stored" in shown(app, "#plots-title")
        assert "x" in shown(app, "#plot-amounts"), "what was flagged"
        assert "score against threshold" in shown(app, "#plot-scores")
        await pilot.press("r")
        await ticked(pilot)
        await pilot.press("escape")
        assert isinstance(app.screen, UsersScreen)


async def test_a_user_without_stored_transactions_has_no_plot() -> None:
    port = FakePort(of_few_users())
    async with running(port) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        port.rows.clear()
        await pilot.press("P")
        await ticked(pilot)
        assert "no stored transaction" in shown(app, "#plots-title")
        assert app.screen.query(PlotextPlot)


async def test_down_to_a_user_and_their_transactions_and_back_again() -> None:
    port = FakePort(of_few_users())
    async with running(port) as (app, pilot):
        await pilot.press("slash", *"amount>1000", "enter", "space", "k", "k", "k")
        await ticked(pilot)
        feed = app.screen.query_one(Feed)
        chosen, top = feed.selected, shown(app, Feed)
        assert chosen is not None
        port.add(rows(50, first=401))

        await pilot.press("D")
        await ticked(pilot)
        user = chosen.transaction.user_id
        assert isinstance(app.screen, UsersScreen)
        assert f"User {user}" in shown(app, "#user-profile")

        await pilot.press("l")
        await ticked(pilot)
        assert isinstance(app.screen, LiveScreen)
        assert f"/user={user}" in shown(app, Feed)
        held = app.intake.feed.rows
        assert len(held) > 0
        assert all(held[index].transaction.user_id == user for index in range(len(held)))
        assert user not in "".join(shown(app, StoredTransactions).splitlines()[1:]), "it is about one user anyway"
        assert len(app.screen.query_one(StoredTransactions).window) == sum(
            each.transaction.user_id == user for each in port.rows
        )
        assert not app.screen.query_one(AnomalyFeed).region
        await pilot.press("tab", "k", "k")
        assert app.screen.query_one(StoredTransactions).selected is not None
        await pilot.press("space")
        assert not app.intake.frozen

        await pilot.press("escape")
        await ticked(pilot)
        assert isinstance(app.screen, UsersScreen)
        assert f"User {user}" in shown(app, "#user-profile")

        await pilot.press("escape")
        await ticked(pilot)
        assert isinstance(app.screen, LiveScreen)
        assert feed.window.filter_text == "amount>1000"
        assert feed.selected == chosen
        assert app.intake.frozen
        assert shown(app, Feed).splitlines()[1:] == top.splitlines()[1:]
        assert app.screen.query_one(AnomalyFeed).region


async def test_escape_on_a_screen_one_came_to_by_its_number_stays_there() -> None:
    async with running(FakePort(of_few_users())) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        await pilot.press("l")
        await ticked(pilot)
        await pilot.press("4", "3", "escape")
        assert isinstance(app.screen, UsersScreen)
        await pilot.press("1", "escape")
        assert isinstance(app.screen, UsersScreen)
        await pilot.press("1")
        await ticked(pilot)
        assert app.intake.feed.filter_text == ""


async def test_the_port_failing_is_said_and_survived() -> None:
    port = FakePort(of_few_users())

    async def failing(*asked):
        raise OSError("gone")

    port.users = port.history = failing
    port.profile_error = OSError("gone")
    async with running(port, size=(160, 48)) as (app, pilot):
        await pilot.press("3")
        await ticked(pilot)
        assert "users unavailable: gone" in shown(app, UserTable)
        await pilot.press("P", "escape", "escape")


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (20, 5), (40, 10), (60, 16), (119, 30), (120, 36), (300, 100)])
async def test_no_size_crashes_users_plots_workers_and_health(size: tuple[int, int]) -> None:
    port = FakePort(of_few_users(), quality=QUALITY, drift=(FeatureDrift("basic", "amount", 0.3),))
    async with running(port, size=size) as (app, pilot):
        await pilot.press("b", "k", "x", "x", "b", "D")
        await ticked(pilot)
        await pilot.press("j", "tab", "k", "enter", "escape", "P")
        await ticked(pilot)
        await pilot.press("escape", "l")
        await ticked(pilot)
        await pilot.press("tab", "k", "u", "escape", "escape", "3", "W", "j", "x", "escape", "escape", "4", "h")
        await ticked(pilot)
        assert isinstance(app.screen, HealthScreen)


def test_a_histogram_counts_on_a_log_scale() -> None:
    assert histogram((1.0, 10.0, 100.0, 99.0), 2) == (1.0, 3.0)
    assert histogram((5.0, 5.0), 4) == (2.0,)
    assert histogram((0.0, -1.0), 4) == ()


def test_a_chart_fills_from_the_bottom_and_hides_nothing() -> None:
    assert chart((0.0, 0.001, 1.0), 2) == ["  █", " ▁█"]
    assert chart((), 2) == ["", ""]


def test_a_trend_is_scaled_to_what_it_spans() -> None:
    assert trend((0.70, 0.71, 0.77), 3) == "▁▂█"
    assert trend((0.7, 0.7), 5) == "▄▄"
    assert trend((), 5) == ""


@pytest.mark.parametrize("height", [20, 44])
def test_no_line_of_a_profile_is_wider_than_its_pane(height: int) -> None:
    for width in range(20, 130):
        lines = user_lines("u-0001", profile("u-0001"), "", width, height, palette(THEMES[0]))
        assert max(line.cell_len for line in lines) <= width
