"""How the filter line, a sorted list, views and export look, compared with screenshots that were looked at."""

from pathlib import Path

import pytest

from tests.tui.fake_port import FakePort, rows
from tests.tui.session import SLOW_HZ, clock
from tui.app import ConsoleApp
from tui.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    kept = Library(tmp_path)
    kept.save_view("abroad, large", "-country:FR amount>500")
    kept.save_view("crypto", "category:crypto is:flagged")
    kept.remember("user:u-00* score>=.9")
    kept.remember('merchant:"Casa del Libro"')
    return kept


def console(library: Library, theme: str = "dark") -> ConsoleApp:
    return ConsoleApp(FakePort(rows(500)), refresh_hz=SLOW_HZ, clock=clock, theme=theme, library=library)


async def settled(pilot) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    pilot.app.draw()
    await pilot.pause()


def press(*keys: str):
    async def pressed(pilot) -> None:
        await pilot.press(*keys)
        await settled(pilot)

    return pressed


LOOKS = {
    "suggestions": press("slash", *"amount>5 country:"),
    "an error at the right": press("slash", *"amount>500 country!=FR user:u-00* score>=.9 severity>=bad"),
    "sorted": press("s", "s", "s"),
    "views": press("v", "j"),
    "export": press("e"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_at_80_columns(snap_compare, library: Library, look: str) -> None:
    assert snap_compare(console(library), terminal_size=(80, 24), run_before=LOOKS[look])


def test_sorted_anomalies_alone_on_a_large_light_terminal(snap_compare, library: Library) -> None:
    pressed = press("tab", "o", "s")
    assert snap_compare(console(library, "light"), terminal_size=(160, 48), run_before=pressed)


def test_views_in_ansi_colours(snap_compare, library: Library) -> None:
    assert snap_compare(console(library, "ansi"), terminal_size=(80, 24), run_before=LOOKS["views"])
