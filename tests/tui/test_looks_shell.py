"""How a question looks, compared with screenshots that were looked at."""

import pytest

from tests.tui.fake_port import FakePort, rows
from tests.tui.session import SLOW_HZ, clock
from tui.app import ConsoleApp


def console(theme: str = "dark") -> ConsoleApp:
    return ConsoleApp(FakePort(rows(500)), refresh_hz=SLOW_HZ, clock=clock, theme=theme)


@pytest.mark.parametrize("theme", ["dark", "light", "ansi"])
def test_a_question(snap_compare, theme) -> None:
    assert snap_compare(console(theme), press=["Q"], terminal_size=(80, 24))
