"""Pages of stored anomalies, put before those in the buffer."""

import msgspec

from domain.filters import EVERYTHING
from domain.verdict import ScoredTransaction
from tests.tui.fake_port import NOON, row, rows
from tui.lists.buffer import RowBuffer
from tui.lists.older import PAGE, Older


def buffer_of(held: list[ScoredTransaction], capacity: int = 10_000) -> RowBuffer:
    buffer = RowBuffer(capacity)
    buffer.extend(held)
    return buffer


def idents(found: list[ScoredTransaction]) -> list[str]:
    return [each.transaction.transaction_id for each in found]


def test_the_first_page_begins_at_the_oldest_rows_held_and_skips_what_is_held() -> None:
    buffer, older = buffer_of(rows(100, first=301)), Older(EVERYTHING)
    assert older.before(buffer) == row(350).transaction.timestamp
    page = older.page(rows(PAGE, first=151)[::-1], buffer)
    assert idents(page) == idents(rows(150, first=151))
    assert [each.sequence for each in page] == list(range(-150, 0))
    assert older.before(buffer) == row(151).transaction.timestamp
    assert not older.finished
    buffer.prepend(page)
    page = older.page(rows(20, first=131)[::-1], buffer)
    assert [each.sequence for each in page] == list(range(-170, -150))
    assert older.finished


def test_an_empty_ring_asks_for_the_newest() -> None:
    older = Older(EVERYTHING)
    assert older.before(buffer_of([])) is None
    assert older.page([], buffer_of([])) == []
    assert older.finished


def test_a_full_ring_takes_no_more() -> None:
    buffer, older = buffer_of(rows(250, first=1000), capacity=260), Older(EVERYTHING)
    page = older.page(rows(PAGE)[::-1], buffer)
    assert idents(page) == idents(rows(10, first=PAGE - 9))
    assert older.finished


def test_a_page_of_one_moment_that_is_all_held_is_the_last() -> None:
    moment = [
        msgspec.structs.replace(each, transaction=msgspec.structs.replace(each.transaction, timestamp=NOON))
        for each in rows(PAGE)
    ]
    buffer, older = buffer_of(moment), Older(EVERYTHING)
    assert older.before(buffer) == NOON
    assert older.page(moment[::-1], buffer) == []
    assert older.finished


def test_a_page_without_news_changes_nothing() -> None:
    buffer, older = buffer_of(rows(100, first=301)), Older(EVERYTHING, newest=True)
    assert older.before(buffer) is None
    buffer.prepend(older.page(rows(100, first=301)[::-1], buffer))
    assert (len(buffer), buffer.lowest, older.fresh) == (100, 0, 0)
    assert older.finished
