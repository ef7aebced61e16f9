"""The console where NO_COLOR is set."""

import pytest
from rich.style import Style
from textual.theme import Theme

from tests.tui.fake_port import FakePort, rows
from tests.tui.session import running, strips
from tui.themes import THEMES, palette


def brightness(style: Style) -> int:
    assert style.color is not None
    return sum(style.color.get_truecolor())


async def test_the_worst_alert_is_not_the_faintest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(FakePort(rows(500)), size=(160, 48)) as (app, _):
        shades = {
            segment.text.strip(): brightness(segment.style)
            for strip in strips(app)
            for segment in strip
            if segment.style is not None and segment.style.color is not None
        }
    assert shades["CRIT"] == shades["SUSP"] == max(shades.values())


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_without_colour_all_but_the_dim_is_ink(theme: Theme) -> None:
    plain = palette(theme, colored=False)
    inks = (plain.title, plain.good, plain.warn, plain.bad, plain.bar, plain.critical, plain.suspicious, plain.unusual)
    assert {ink.color for ink in inks} == {plain.base.color}
