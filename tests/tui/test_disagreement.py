"""Where the two detectors disagree."""

import pytest

from domain.filters import parse
from tests.tui.fake_port import FakePort, rows
from tests.tui.session import running, shown
from tui.lists.anomalies import AnomalyFeed
from tui.lists.disagreement import toggled
from tui.screens.detail import Detail
from tui.widgets.reading import Reading


@pytest.mark.parametrize(
    ("text", "with_it"),
    [
        ("", "is:disagreed"),
        ("amount>5", "amount>5 is:disagreed"),
        ("country:FR | country:MT", "(country:FR | country:MT) is:disagreed"),
        ("country:FR or country:MT", "(country:FR or country:MT) is:disagreed"),
        ("(country:FR) (amount>1)", "(country:FR) (amount>1) is:disagreed"),
    ],
)
def test_the_filter_is_added_and_taken_out_again(text: str, with_it: str) -> None:
    assert toggled(text) == with_it
    assert toggled(with_it) == text
    parse(with_it)


async def test_b_shows_what_only_one_flagged_within_the_filter() -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        await pilot.press("slash", *"amount>9000", "enter", "b")
        await pilot.pause()
        feed = app.intake.feed
        assert feed.filter_text == "amount>9000 is:disagreed"
        assert [feed.rows[index].sequence for index in range(len(feed))] == [20, 60, 100, 140, 180]
        await pilot.press("b")
        await pilot.pause()
        assert feed.filter_text == "amount>9000"


async def test_b_acts_on_the_list_that_has_the_keys() -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        await pilot.press("tab", "b")
        await pilot.pause()
        assert app.intake.feed.filter_text == ""
        assert len(app.screen.query_one(AnomalyFeed).window) == 5


async def test_both_detectors_are_heard_side_by_side() -> None:
    async with running(FakePort(rows(180)), size=(160, 48)) as (app, pilot):
        await pilot.press("left_square_bracket")
        await pilot.pause()
        why = shown(app, "#why")
        (versus,) = (each for each in why.splitlines() if "enhanced" in each)
        assert ".98" in versus or ".83" in versus or ".91" in versus
        assert "≥ .72" in versus
        assert "basic" in versus
        assert "< .60" in versus
        assert why.count("amount ratio") == 2
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Detail)
        assert any("enhanced" in each and "basic" in each for each in shown(app, Reading).splitlines())


async def test_where_they_agree_one_explanation_is_enough() -> None:
    async with running(FakePort(rows(200)), size=(160, 48)) as (app, pilot):
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert "disagree" not in shown(app, "#why")
        assert shown(app, "#why").count("amount ratio") == 1
