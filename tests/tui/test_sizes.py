"""The console at every size."""

import pytest

from tests.tui.fake_port import FakePort, rows
from tests.tui.session import running, shown
from tui.anomalies import Anomalies
from tui.feed import Feed
from tui.layout import layout_of

SIZES = [(1, 1), (2, 2), (3, 1), (1, 40), (7, 3), (20, 5), (40, 10), (59, 15), (60, 16), (60, 20), (80, 24), (119, 35)]
LARGE = [(120, 36), (160, 48), (200, 20), (300, 100)]


@pytest.mark.parametrize("size", SIZES + LARGE)
async def test_no_size_crashes_any_screen(size: tuple[int, int]):
    async with running(FakePort(rows(120)), size=size) as (app, pilot):
        await pilot.press("k", "x", "u", "u", "enter")
        await pilot.pause()
        await pilot.press("escape", "slash", "a", "escape", "question_mark")
        await pilot.pause()
        await pilot.press("escape", "4", "5", "1")
        app.tick()
        await pilot.pause()


async def test_resizing_goes_through_the_layouts():
    async with running(FakePort(rows(120)), size=(160, 48)) as (app, pilot):
        assert app.screen.query_one("#why").region
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert not app.screen.query_one("#why").region
        assert app.screen.query_one(Anomalies).region
        await pilot.resize_terminal(50, 12)
        await pilot.pause()
        assert not app.screen.query_one(Anomalies).region
        assert app.screen.query_one(Feed).region.height == 11


@pytest.mark.parametrize(
    ("size", "layout"),
    [((59, 48), "bare"), ((160, 15), "bare"), ((60, 16), "compact"), ((80, 24), "compact"), ((160, 48), "full")],
)
def test_the_layout_follows_from_the_size(size: tuple[int, int], layout: str):
    assert layout_of(*size) == layout


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_amounts_and_scores_are_aligned(size: tuple[int, int]):
    async with running(FakePort(rows(120)), size=size) as (app, _):
        header, *lines = shown(app, Feed).splitlines()[1:]
        amount_end = header.index("amount") + len("amount")
        score_end = header.index("score") + len("score")
        for line in lines:
            assert line[amount_end - 1].isdigit()
            assert line[amount_end] == " "
            assert line[score_end - 3] == "."
