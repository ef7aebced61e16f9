"""The console at every size."""

import pytest
from textual.geometry import Region

from tests.tui.everywhere import acted, modals, visited
from tests.tui.fake_port import FakePort, rows
from tests.tui.session import running, shown
from tui.lists.anomalies import AnomalyFeed
from tui.lists.feed import Feed
from tui.screens.layout import layout_of

SIZES = [(1, 1), (2, 2), (3, 1), (1, 40), (7, 3), (20, 5), (40, 10), (59, 15), (60, 16), (60, 20), (80, 24), (119, 35)]
LARGE = [(120, 36), (160, 48), (200, 20), (300, 100)]


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (60, 16), (300, 100)])
async def test_no_size_crashes_any_screen_or_modal(size: tuple[int, int]) -> None:
    async with running(FakePort(rows(120)), size=size) as (app, pilot):
        names = [name async for name in visited(app, pilot)]
        assert set(names) == {*app.MODES, *(modal.__name__ for modal in modals())}


@pytest.mark.parametrize("size", [(1, 1), (80, 24)])
async def test_no_action_crashes(size: tuple[int, int]) -> None:
    async with running(FakePort(rows(120)), size=size) as (app, pilot):
        assert len([name async for name in acted(app, pilot)]) > 30


async def test_every_screen_and_modal_survives_resizing_to_every_size() -> None:
    async with running(FakePort(rows(120)), size=(80, 24)) as (app, pilot):
        async for _ in visited(app, pilot):
            for size in SIZES + LARGE:
                await pilot.resize_terminal(*size)
                await pilot.pause()


@pytest.mark.parametrize("size", [(59, 48), (160, 15), (7, 3), (2, 2)])
async def test_a_small_terminal_shows_the_feed_alone(size: tuple[int, int]) -> None:
    async with running(FakePort(rows(120)), size=size) as (app, _):
        feed = app.screen.query_one(Feed)
        assert feed.region == Region(0, 1, size[0], size[1] - 1)
        assert [widget.id for widget in app.screen.query("Line, RowList, TextPane") if widget.region] == [
            "status",
            "feed",
        ]


async def test_resizing_goes_through_the_layouts() -> None:
    async with running(FakePort(rows(120)), size=(160, 48)) as (app, pilot):
        assert app.screen.query_one("#why").region
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert not app.screen.query_one("#why").region
        assert app.screen.query_one(AnomalyFeed).region
        await pilot.resize_terminal(50, 12)
        await pilot.pause()
        assert not app.screen.query_one(AnomalyFeed).region
        assert app.screen.query_one(Feed).region.height == 11


@pytest.mark.parametrize(
    ("size", "layout"),
    [((59, 48), "bare"), ((160, 15), "bare"), ((60, 16), "compact"), ((80, 24), "compact"), ((160, 48), "full")],
)
def test_the_layout_follows_from_the_size(size: tuple[int, int], layout: str) -> None:
    assert layout_of(*size) == layout


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_amounts_and_scores_are_aligned(size: tuple[int, int]) -> None:
    async with running(FakePort(rows(120)), size=size) as (app, _):
        header, *lines = shown(app, Feed).splitlines()[1:]
        amount_end = header.index("amount") + len("amount")
        score_end = header.index("score") + len("score")
        for line in lines:
            assert line[amount_end - 1].isdigit()
            assert line[amount_end] == " "
            assert line[score_end - 3] == "."
