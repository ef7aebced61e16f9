"""What a console shows while an engine catches up with what waited for it."""

import msgspec
import pytest

from domain.engine import Backlog
from tests.tui.fake_port import FakePort, rows
from tests.tui.session import running, strips

WAITING = Backlog(total=120_000, left=45_000, rate=1_200.0)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_backlog_is_shown_with_what_is_left_and_for_how_long(size: tuple[int, int]) -> None:
    port = FakePort(rows(5), backlog=WAITING)
    async with running(port, size) as (app, _):
        screen = "\n".join(strip.text for strip in strips(app))
        assert "catching up" in screen
        assert "█" in screen
        assert "62 %" in screen
        assert "45,000 of 120,000 records left" in screen


def test_the_words_of_a_backlog_say_what_it_waits_for() -> None:
    assert WAITING.sentence == "45,000 of 120,000 records left, 1,200/s, about 38 s"
    waiting = msgspec.structs.replace(WAITING, waiting_for_fit=True)
    assert waiting.sentence == "45,000 of 120,000 records left, waiting for models that are being fitted"
    assert msgspec.structs.replace(WAITING, left=36_000_000, rate=1_000.0).sentence.endswith("about 10 h")
