"""The pane that tells why a transaction was scored as it was."""

import pytest

from tests.tui.fake_port import row
from tui.panes.why import why_lines
from tui.themes import THEMES, palette

SHORT, LONG = "Miller", "The Honourable Company of Merchants and Coin Exchangers at Sliema"
WIDE = "商人" * 40


@pytest.mark.parametrize(
    ("merchant", "width"),
    [(SHORT, 78), (LONG, 78), (LONG, 58), (WIDE, 60)],
    ids=["short", "long", "long in few columns", "of wide characters"],
)
def test_a_long_name_of_a_merchant_gives_way_to_place_and_time(merchant: str, width: int) -> None:
    bought = row(20, merchant=merchant)
    shown = why_lines(bought, width, palette(THEMES[0]))[1]
    assert shown.plain.endswith(f" Sliema MT  {bought.transaction.timestamp:%H:%M:%S}")
    assert shown.cell_len <= width
    assert (SHORT in shown.plain) == (merchant == SHORT)
