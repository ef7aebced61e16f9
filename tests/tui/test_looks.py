"""How the console looks, compared with screenshots that were looked at."""

import pytest

from tests.tui.fake_port import FakePort, rows
from tests.tui.session import SLOW_HZ, clock, settled
from tui.app import ConsoleApp


def console(theme: str = "dark") -> ConsoleApp:
    return ConsoleApp(FakePort(rows(500)), refresh_hz=SLOW_HZ, clock=clock, theme=theme)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_live_screen(snap_compare, size) -> None:
    assert snap_compare(console(), terminal_size=size, run_before=settled)


def test_the_live_screen_in_ansi_colours(snap_compare) -> None:
    assert snap_compare(console("ansi"), terminal_size=(80, 24), run_before=settled)


def test_why_in_place(snap_compare) -> None:
    assert snap_compare(console(), press=["left_square_bracket", "x"], terminal_size=(80, 24))


def test_the_health_screen(snap_compare) -> None:
    assert snap_compare(console(), press=["4"], terminal_size=(80, 24))
