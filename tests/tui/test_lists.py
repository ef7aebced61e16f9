"""Sorting, zooming and copying."""

import base64
import json
from pathlib import Path

import msgspec
import pytest
from textual.drivers.headless_driver import HeadlessDriver

from domain.transaction import Merchant
from domain.verdict import ScoredTransaction
from tests.tui.fake_port import FakePort, row, rows
from tests.tui.session import running, said, settled, shown
from tui.library import Library
from tui.lists.anomalies import AnomalyFeed
from tui.lists.feed import Feed
from tui.lists.sorting import Order
from tui.screens.copying import MAX_OSC_52


def sequences(order) -> list[int]:
    return [order[index].sequence for index in range(len(order))]


def test_an_order_keeps_rows_without_a_value_last_in_either_direction() -> None:
    nameless = msgspec.structs.replace(
        row(6), transaction=msgspec.structs.replace(row(6).transaction, merchant=Merchant())
    )
    held = [row(1), nameless, row(2)]
    assert sequences(Order(held, "merchant", False)) == [2, 1, 6]
    assert sequences(Order(held, "merchant", True)) == [1, 2, 6]
    assert Order(held, "amount", True).index(99) == 3


async def test_s_goes_through_the_columns_and_back_to_live() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        feed = app.screen.query_one(Feed)
        marked = []
        for name in feed.sortable():
            await pilot.press("s")
            await settled(pilot)
            assert feed.order is not None
            marked.append(feed.order.column)
            assert f"by {name} {feed.order.mark}" in shown(app, Feed)
            assert feed.order.mark in shown(app, Feed).splitlines()[1]
        assert marked == feed.sortable()
        await pilot.press("s")
        await settled(pilot)
        assert feed.order is None
        assert feed.follow


async def test_a_sorted_list_holds_still_and_counts_what_comes() -> None:
    port = FakePort(rows(100))
    async with running(port) as (app, pilot):
        # Pressed faster than rows are sorted: every press counts.
        await pilot.press("s", "s", "s")
        await settled(pilot)
        feed = app.screen.query_one(Feed)
        assert feed.order is not None
        amounts = [each.transaction.amount for each in feed.order.all()]
        assert amounts == sorted(amounts, reverse=True)
        before = shown(app, Feed).splitlines()[1:]
        port.add(rows(40, first=101))
        app.tick()
        await settled(pilot)
        assert shown(app, Feed).splitlines()[1:] == before
        assert "by amount ▼  +40 pending" in shown(app, Feed)
        await pilot.press("S")
        await settled(pilot)
        assert "by amount ▲" in shown(app, Feed)
        assert len(feed.order) == 140
        await pilot.press("j", "j", "k")
        assert feed.selected == feed.order[1]
        await pilot.press("G")
        assert feed.selected == feed.order[139]
        await pilot.press("escape")
        assert feed.order is None
        assert feed.follow


async def test_f_ends_a_sorted_order_and_a_filter_does_too() -> None:
    async with running(FakePort(rows(100))) as (app, pilot):
        feed = app.screen.query_one(Feed)
        await pilot.press("S")
        await settled(pilot)
        assert feed.order is not None
        await pilot.press("f")
        assert feed.order is None
        await pilot.press("s")
        await settled(pilot)
        await pilot.press("slash", *"amount>100", "enter")
        await settled(pilot)
        assert feed.order is None


async def test_the_anomalies_are_sorted_by_themselves_and_next_match_follows_the_order() -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        await pilot.press("tab", "s")
        await settled(pilot)
        anomalies = app.screen.query_one(AnomalyFeed)
        assert anomalies.order is not None
        assert app.screen.query_one(Feed).order is None
        assert "sev▼" in shown(app, AnomalyFeed).splitlines()[1]
        ranks = [(each.headline.severity.rank, each.headline.score) for each in anomalies.order.all() if each.headline]
        assert ranks == sorted(ranks, reverse=True)
        await pilot.press("n")
        await settled(pilot)
        assert anomalies.selected == anomalies.order[1]


async def test_a_sort_survives_eviction() -> None:
    port = FakePort(rows(50))
    async with running(port) as (app, pilot):
        app.intake.feed.buffer.capacity = app.intake.feed.rows.capacity = 60
        await pilot.press("s")
        await settled(pilot)
        port.add(rows(300, first=51))
        app.tick()
        await settled(pilot)
        feed = app.screen.query_one(Feed)
        assert feed.order is not None
        assert len(feed.order) == 50
        await pilot.press("g")
        assert feed.selected == row(50)


async def test_o_gives_the_active_list_the_screen_and_back() -> None:
    for size in ((80, 24), (160, 48)):
        async with running(FakePort(rows(100)), size=size) as (app, pilot):
            feed, anomalies = app.screen.query_one(Feed), app.screen.query_one(AnomalyFeed)
            await pilot.press("o")
            await pilot.pause()
            assert feed.region.size == (size[0], size[1] - 3)
            assert not anomalies.region
            await pilot.press("tab")
            await pilot.pause()
            assert anomalies.region.size == (size[0], size[1] - 3)
            assert not feed.region
            await pilot.press("o")
            await pilot.pause()
            assert feed.region
            assert anomalies.region
            await pilot.press("o", "escape")
            await pilot.pause()
            assert feed.region
            await pilot.press("o", "x")
            await pilot.pause()
            assert app.screen.query_one("#why").region


class Terminal:
    """What the console writes to its terminal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[str] = []
        monkeypatch.setattr(HeadlessDriver, "write", lambda _, text: self.written.append(text))

    @property
    def copied(self) -> list[str]:
        sent = [text for text in self.written if text.startswith("\x1b]52;c;")]
        return [base64.b64decode(text[7:-1]).decode() for text in sent]


async def test_y_copies_a_line_and_capital_y_json_to_terminal_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(FakePort(rows(100)), size=(160, 48), library=Library(tmp_path)) as (app, pilot):
        terminal = Terminal(monkeypatch)
        await pilot.press("left_square_bracket", "y")
        await settled(pilot)
        (copied,) = terminal.copied
        assert copied.startswith(
            "2026-03-14 12:04:04Z  u-0700  9,200.00 EUR  Sliema Coin Exchange, crypto, Sliema MT  enhanced"
        )
        assert (tmp_path / "copied.txt").read_text() == copied + "\n"
        (note,) = said(app)
        assert "t-00000100" in note
        assert str(tmp_path / "copied.txt") in note
        await pilot.press("Y")
        await settled(pilot)
        found = json.loads(terminal.copied[1])
        assert (found["transaction_id"], found["amount"]) == ("t-00000100", "9200.00")
        assert json.loads((tmp_path / "copied.txt").read_text()) == found


def hostile(name: str, **extra: object) -> ScoredTransaction:
    changed = msgspec.structs.replace(row(20).transaction, merchant=Merchant(name=name), extra=extra or None)
    return msgspec.structs.replace(row(20), transaction=changed)


async def test_what_is_copied_is_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("\x1b]52;c;aGVsbG8=\x07", "\x9b31m", "\u202egnp", "[/oops]", "a\nrm -rf ~\n"):
        async with running(FakePort([hostile(name)]), library=Library(tmp_path)) as (_, pilot):
            terminal = Terminal(monkeypatch)
            await pilot.press("y", "Y")
            await settled(pilot)
            assert len(terminal.copied) == 2
            for text in terminal.copied:
                assert not {"\x1b", "\x07", "\x9b", "\u202e", "\n"} & set(text)
                assert "[/oops]" in text or name != "[/oops]"


async def test_what_is_too_long_for_a_terminal_is_only_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(FakePort([hostile("x", note="é" * MAX_OSC_52)]), library=Library(tmp_path)) as (app, pilot):
        terminal = Terminal(monkeypatch)
        await pilot.press("Y")
        await settled(pilot)
        assert terminal.copied == []
        assert (tmp_path / "copied.txt").stat().st_size > MAX_OSC_52
        (note,) = said(app)
        assert f"to {tmp_path / 'copied.txt'}; it is too long for a terminal" in note
    async with running(FakePort([hostile("x", note="é" * MAX_OSC_52)])) as (app, pilot):
        await pilot.press("Y")
        await settled(pilot)
        assert ["was not copied" in note for note in said(app)] == [True]


async def test_nothing_is_copied_without_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(FakePort()) as (_, pilot):
        terminal = Terminal(monkeypatch)
        await pilot.press("y", "Y", "s", "S", "o", "o")
        await settled(pilot)
        assert terminal.copied == []
