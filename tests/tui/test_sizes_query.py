"""The filter line, sorting, zoom, views and export at every size."""

from pathlib import Path

import pytest

from tests.tui.fake_port import FakePort, rows
from tests.tui.session import running
from tests.tui.test_sizes import LARGE, SIZES
from tui.library import Library
from tui.screens.live import LiveScreen


@pytest.mark.parametrize("size", SIZES + LARGE)
async def test_no_size_crashes(size: tuple[int, int], tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.save_view("a", "amount>1")
    async with running(FakePort(rows(120)), size=size, library=library) as (app, pilot):
        await pilot.press("s", "S", "o", "tab", "o", "y")
        await pilot.press("slash", *"amount>5 nosuch:", "tab", "up", "down", "escape")
        await pilot.press("v", "j", "r", "escape", "escape", "e", "tab", "down")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await pilot.press("escape")
        await app.workers.wait_for_complete()
        app.tick()
        await pilot.pause()
        assert isinstance(app.screen, LiveScreen)
