"""Views and recent filters."""

from pathlib import Path

from tests.tui.fake_port import FakePort, rows
from tests.tui.session import running, settled, shown
from tui.library import Library
from tui.lists.feed import Feed
from tui.modals.views import Views
from tui.screens.live import LiveScreen


def filled(folder: Path) -> Library:
    library = Library(folder)
    library.save_view("big", "amount>9000")
    library.save_view("abroad", "-country:FR")
    library.remember("is:flagged")
    library.remember("score>=.9")
    return library


async def test_views_and_recent_filters_are_listed_and_opened(tmp_path: Path) -> None:
    async with running(FakePort(rows(200)), library=filled(tmp_path)) as (app, pilot):
        await pilot.press("v")
        await pilot.pause()
        listed = shown(app, "#modal-text")
        assert [listed.index(part) for part in ("abroad", "big", "score>=.9", "is:flagged")] == sorted(
            listed.index(part) for part in ("abroad", "big", "score>=.9", "is:flagged")
        )
        await pilot.press("j", "enter")
        await settled(pilot)
        assert isinstance(app.screen, LiveScreen)
        assert app.intake.feed.filter_text == "amount>9000"
        assert "/amount>9000" in shown(app, Feed)
        await pilot.press("v", "G", "enter")
        await settled(pilot)
        assert app.intake.feed.filter_text == "is:flagged"
    assert Library(tmp_path).kept.recent == ("score>=.9", "amount>9000", "is:flagged")


async def test_the_filter_in_use_is_saved_under_a_name_and_never_over_another_unasked(tmp_path: Path) -> None:
    async with running(FakePort(rows(50)), library=filled(tmp_path)) as (app, pilot):
        await pilot.press("v", "s")
        await pilot.pause()
        assert "No filter is in use" in shown(app, "#views-said")
        await pilot.press("escape", "slash", *"amount>5", "enter", "v", "s", "enter")
        await pilot.pause()
        assert "at least one letter" in shown(app, "#views-said")
        await pilot.press(*"big", "enter")
        await settled(pilot)
        assert "Enter again replaces it" in shown(app, "#views-said")
        assert Library(tmp_path).kept.views["big"] == "amount>9000"
        await pilot.press("enter")
        await settled(pilot)
        assert Library(tmp_path).kept.views["big"] == "amount>5"
        await pilot.press("s", *"my own view", "enter")
        await settled(pilot)
        assert "my own view" in shown(app, "#modal-text")
    assert Library(tmp_path).kept.views["my own view"] == "amount>5"


async def test_a_view_is_renamed_but_not_onto_another(tmp_path: Path) -> None:
    async with running(FakePort(rows(50)), library=filled(tmp_path)) as (app, pilot):
        await pilot.press("v", "r", "ctrl+u", *"big", "enter")
        await pilot.pause()
        assert "another name" in shown(app, "#views-said")
        await pilot.press("ctrl+u", *"far", "enter")
        await settled(pilot)
        await pilot.press("r", "escape")
        assert isinstance(app.screen, Views)
    assert Library(tmp_path).kept.views == {"big": "amount>9000", "far": "-country:FR"}


async def test_a_view_is_deleted_only_when_asked_twice(tmp_path: Path) -> None:
    async with running(FakePort(rows(50)), library=filled(tmp_path)) as (app, pilot):
        await pilot.press("v", "d")
        await pilot.pause()
        assert "Delete abroad?" in shown(app, "#views-said")
        await pilot.press("j", "k", "d")
        await settled(pilot)
        assert "abroad" in Library(tmp_path).kept.views
        await pilot.press("d")
        await settled(pilot)
        assert "abroad" not in Library(tmp_path).kept.views
        await pilot.press("G", "d", "r")
        await settled(pilot)
        assert "Only a view" in shown(app, "#views-said")


async def test_a_filter_that_is_not_understood_any_more_is_said(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.save_view("old [/oops]", "nosuch:1")
    async with running(FakePort(rows(50)), library=library) as (app, pilot):
        await pilot.press("v", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Views)
        assert "no field nosuch" in shown(app, "#views-said")


async def test_views_are_in_the_palette(tmp_path: Path) -> None:
    library = filled(tmp_path)
    library.save_view("[/oops]", "amount>1")
    async with running(FakePort(rows(50)), library=library) as (app, pilot):
        await pilot.press("colon", *"View big")
        await pilot.wait_for_scheduled_animations()
        await settled(pilot)
        await pilot.press("enter", "enter")
        await settled(pilot)
        assert app.intake.feed.filter_text == "amount>9000"


async def test_many_views_scroll_with_the_cursor(tmp_path: Path) -> None:
    library = Library(tmp_path)
    for number in range(60):
        library.save_view(f"view {number:02}", f"amount>{number}")
    async with running(FakePort(rows(50)), library=library) as (app, pilot):
        await pilot.press("v", "G")
        await pilot.pause()
        assert "view 59" in shown(app, "#modal-text")
        await pilot.press("g")
        await pilot.pause()
        assert "Views" in shown(app, "#modal-text")
        await pilot.press("pagedown", "q")
        assert isinstance(app.screen, LiveScreen)
