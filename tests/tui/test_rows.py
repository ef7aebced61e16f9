"""The ring and the window on it."""

from itertools import count

from domain.filters import parse
from tests.tui.fake_port import row, rows
from tui.rows import Ring, Window


def sequences(ring: Ring) -> list[int]:
    return [ring[index].sequence for index in range(len(ring))]


def test_a_full_ring_drops_its_oldest_rows():
    ring = Ring(1000)
    ring.extend(rows(3500))
    assert sequences(ring) == list(range(2501, 3501))
    assert ring.total == 3500


def test_a_row_is_found_by_its_sequence_or_its_successor():
    ring = Ring(100)
    ring.extend(row(sequence) for sequence in range(10, 100, 10))
    assert ring.index(30) == 2
    assert ring.index(31) == 3
    assert ring.index(1) == 0
    assert ring.index(91) == len(ring)


def test_a_slice_stops_at_its_budget_and_goes_on():
    window = Window(10_000)
    window.ring.extend(rows(1000))
    ticks = count()
    assert not window.step(budget=2, clock=lambda: next(ticks))
    assert 0 < len(window) < 1000
    while not window.step(budget=2, clock=lambda: next(ticks)):
        pass
    assert sequences(window.rows) == list(range(1, 1001))


def test_each_row_is_tested_once():
    tested: list[int] = []

    class Recording:
        def matches(self, row):
            tested.append(row.sequence)
            return True

    window = Window(100)
    window.apply("recording", Recording())
    for first in (1, 11, 21):
        window.ring.extend(rows(10, first=first))
        window.step()
    assert tested == list(range(1, 31))


def test_rows_that_left_the_ring_leave_the_window():
    window = Window(50)
    window.ring.extend(rows(200))
    window.step()
    window.ring.extend(rows(25, first=201))
    window.step()
    assert sequences(window.rows) == list(range(176, 226))


def test_a_frozen_window_holds_what_it_shows_past_eviction():
    window = Window(50)
    window.ring.extend(rows(50))
    window.step()
    window.freeze(True)
    window.ring.extend(rows(500, first=51))
    window.step()
    assert sequences(window.rows) == list(range(1, 51))
    assert window.pending == 500
    window.freeze(False)
    window.step()
    assert sequences(window.rows) == list(range(501, 551))
    assert window.pending == 0


def test_what_was_held_comes_back_with_rows_that_left_the_ring_since():
    window = Window(50)
    window.ring.extend(rows(50))
    window.step()
    window.freeze(True)
    held = window.hold()
    window.apply("amount>9000", parse("amount>9000"))
    window.freeze(False)
    window.ring.extend(rows(500, first=51))
    window.step()
    window.restore(held)
    window.step()
    assert window.frozen
    assert window.filter_text == ""
    assert sequences(window.rows) == list(range(1, 51))
    assert window.pending == 500


def test_a_filter_applied_while_frozen_rebuilds_without_newer_rows():
    window = Window(500)
    window.ring.extend(rows(100))
    window.step()
    window.freeze(True)
    window.ring.extend(rows(100, first=101))
    window.apply("amount>9000", parse("amount>9000"))
    window.step()
    assert all(sequence <= 100 for sequence in sequences(window.rows))
    assert len(window) > 0
