"""Typing a filter: suggestions, recent filters, and errors that point at their place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.filters import FilterError, parse
from tests.tui.fake_port import FakePort, rows
from tests.tui.session import running, said, shown
from tui import cells
from tui.library import Library
from tui.lists.filterline import FilterInput, FilterLine, error_lines


def typed(app) -> str:
    return app.screen.query_one(FilterInput).value


async def test_tab_and_right_accept_the_suggestion() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pilot.press("slash", *"cou")
        assert "country:" in shown(app, "#filter-suggestions")
        await pilot.press("tab")
        assert typed(app) == "country:"
        assert "BE  ES  DE" in shown(app, "#filter-suggestions")
        await pilot.press("f", "right", *" is:fl", "tab")
        assert typed(app) == "country:FR is:flagged"
        await pilot.press("enter")
        await pilot.pause()
        assert app.intake.feed.filter_text == "country:FR is:flagged"


async def test_another_suggestion_can_be_marked() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pilot.press("slash", *"severity>=", "ctrl+n", "tab")
        assert typed(app) == "severity>=suspicious"
        await pilot.press("ctrl+u", *"severity>=", "ctrl+p", "right")
        assert typed(app) == "severity>=normal"


async def test_a_value_with_spaces_is_quoted_and_right_still_moves_inside_the_text() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pilot.press("slash", *"merchant:cas", "tab")
        assert typed(app) == 'merchant:"Casa del Libro"'
        await pilot.press("home", "right")
        assert app.screen.query_one(FilterInput).cursor_position == 1


async def test_suggestions_follow_the_cursor() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        await pilot.press("slash", *"is: amount>5", *["left"] * 9)
        assert "flagged" in shown(app, "#filter-suggestions")


async def test_up_and_down_go_through_recent_filters_which_are_kept_on_disk(tmp_path: Path) -> None:
    library = Library(tmp_path)
    async with running(FakePort(rows(50)), library=library) as (app, pilot):
        for text in ("amount>10", "amount>20", "amount>10"):
            await pilot.press("slash", "ctrl+u", *text, "enter")
            await app.workers.wait_for_complete()
    assert Library(tmp_path).kept.recent == ("amount>20", "amount>10")
    async with running(FakePort(rows(50)), library=Library(tmp_path)) as (app, pilot):
        await pilot.press("slash", *"new", "up")
        assert typed(app) == "amount>10"
        await pilot.press("up", "up")
        assert typed(app) == "amount>20"
        await pilot.press("down", "down", "down")
        assert typed(app) == "new"


async def test_a_library_that_cannot_be_read_or_written_is_only_said(tmp_path: Path) -> None:
    (tmp_path / "console.json").write_text("{")
    async with running(FakePort(rows(50)), size=(120, 30), library=Library(tmp_path)) as (app, pilot):
        await pilot.pause()
        assert ["cannot be read" in note for note in said(app)] == [True]
    (tmp_path / "file").write_text("")
    async with running(FakePort(rows(50)), library=Library(tmp_path / "file")) as (app, pilot):
        await pilot.press("slash", *"amount>10", "enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert ["cannot be written" in note for note in said(app)] == [True]
        assert app.intake.feed.filter_text == "amount>10"


@pytest.mark.parametrize("text", ["amount>>5", "user:u-1 amount>500 country!=FR merchant:grocery score>=.9 is:unknown"])
async def test_an_error_is_whole_and_its_caret_is_under_the_place(text: str) -> None:
    async with running(FakePort(rows(50))) as (app, pilot):
        await pilot.press("slash")
        app.screen.query_one(FilterInput).value = text
        await pilot.pause()
        with pytest.raises(FilterError) as failed:
            parse(text)
        lines = shown(app, FilterLine).splitlines()
        assert lines[1].index("^") == lines[0].index(text[failed.value.position :])
        assert failed.value.message in lines[1] + lines[2]


async def test_a_caret_finds_its_place_in_a_long_filter_and_behind_wide_letters() -> None:
    async with running(FakePort(rows(50))) as (app, pilot):
        text = 'city:"東京" ' + " ".join(f"-merchant:m{number:03}" for number in range(10)) + " nosuch:1 x"
        await pilot.press("slash", *text)
        await pilot.pause()
        lines = shown(app, FilterLine).splitlines()
        assert lines[1].index("^") == lines[0].index("nosuch")


@given(st.text(alphabet="a東 ", max_size=60), st.integers(0, 60), st.integers(1, 120), st.text(max_size=40))
def test_error_lines_fit_and_lose_nothing_that_has_room(text: str, position: int, width: int, message: str) -> None:
    error = FilterError(message, min(position, len(text)))
    pointed, overflow = error_lines(error, text, 0, width)
    assert cells.width(pointed) <= width
    assert "^" in pointed
    assert overflow in ("", message)
