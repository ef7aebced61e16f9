"""The buffer of rows, and the window on it."""

from itertools import count

import msgspec

from domain.filters import parse
from domain.triage import Triage, TriageStatus
from domain.verdict import ScoredTransaction
from tests.tui.fake_port import NOON, row, rows
from tui.lists.buffer import RowBuffer
from tui.lists.window import Window


def sequences(buffer: RowBuffer) -> list[int]:
    return [buffer[index].sequence for index in range(len(buffer))]


def test_a_full_ring_drops_its_oldest_rows() -> None:
    buffer = RowBuffer(1000)
    buffer.extend(rows(3500))
    assert sequences(buffer) == list(range(2501, 3501))
    assert buffer.total == 3500


def test_a_row_is_found_by_its_sequence_or_its_successor() -> None:
    buffer = RowBuffer(100)
    buffer.extend(row(sequence) for sequence in range(10, 100, 10))
    assert buffer.index(30) == 2
    assert buffer.index(31) == 3
    assert buffer.index(1) == 0
    assert buffer.index(91) == len(buffer)


def test_a_slice_stops_at_its_budget_and_goes_on() -> None:
    window = Window(10_000)
    window.buffer.extend(rows(1000))
    ticks = count()
    assert not window.step(budget=2, clock=lambda: next(ticks))
    assert 0 < len(window) < 1000
    while not window.step(budget=2, clock=lambda: next(ticks)):
        pass
    assert sequences(window.rows) == list(range(1, 1001))


def test_each_row_is_tested_once() -> None:
    tested: list[int] = []

    class Recording:
        def matches(self, row):
            tested.append(row.sequence)
            return True

    window = Window(100)
    window.apply("recording", Recording())
    for first in (1, 11, 21):
        window.buffer.extend(rows(10, first=first))
        window.step()
    assert tested == list(range(1, 31))


def test_rows_that_left_the_ring_leave_the_window() -> None:
    window = Window(50)
    window.buffer.extend(rows(200))
    window.step()
    window.buffer.extend(rows(25, first=201))
    window.step()
    assert sequences(window.rows) == list(range(176, 226))


def test_a_frozen_window_holds_what_it_shows_past_eviction() -> None:
    window = Window(50)
    window.buffer.extend(rows(50))
    window.step()
    window.freeze(True)
    window.buffer.extend(rows(500, first=51))
    window.step()
    assert sequences(window.rows) == list(range(1, 51))
    assert window.pending == 500
    window.freeze(False)
    window.step()
    assert sequences(window.rows) == list(range(501, 551))
    assert window.pending == 0


def test_what_was_saved_comes_back_with_rows_that_left_the_buffer_since() -> None:
    window = Window(50)
    window.buffer.extend(rows(50))
    window.step()
    window.freeze(True)
    saved = window.save()
    window.apply("amount>9000", parse("amount>9000"))
    window.freeze(False)
    window.buffer.extend(rows(500, first=51))
    window.step()
    window.restore(saved)
    window.step()
    assert window.frozen
    assert window.filter_text == ""
    assert sequences(window.rows) == list(range(1, 51))
    assert window.pending == 500


def test_a_filter_applied_while_frozen_rebuilds_without_newer_rows() -> None:
    window = Window(500)
    window.buffer.extend(rows(100))
    window.step()
    window.freeze(True)
    window.buffer.extend(rows(100, first=101))
    window.apply("amount>9000", parse("amount>9000"))
    window.step()
    assert all(sequence <= 100 for sequence in sequences(window.rows))
    assert len(window) > 0


class Odd:
    """A filter that lets odd sequences through."""

    def matches(self, row: ScoredTransaction) -> bool:
        return row.sequence % 2 == 1


def decided(sequence: int) -> ScoredTransaction:
    triage = Triage(transaction_id="t", status=TriageStatus.CONFIRMED, decided_by="ann", decided_at=NOON)
    return msgspec.structs.replace(row(sequence), triage=triage)


def test_older_rows_come_before_those_held_and_are_not_tested_twice() -> None:
    window = Window(100)
    window.apply("odd", Odd())
    window.buffer.extend(rows(50, first=51))
    window.buffer.drop_before(61)
    window.prepend(rows(10, first=41))
    window.step()
    window.prepend(rows(10, first=31))
    window.buffer.extend(rows(10, first=101))
    window.step()
    assert sequences(window.buffer) == [*range(31, 51), *range(61, 111)]
    assert sequences(window.rows) == [sequence for sequence in sequences(window.buffer) if sequence % 2]


def test_a_row_that_changes_is_shown_changed_even_if_it_no_longer_matches() -> None:
    window = Window(100)
    window.apply("open", parse("triage:open"))
    window.buffer.extend(rows(100))
    window.step()
    window.replace(decided(40))
    assert window.rows[window.rows.index(40)] == decided(40)
    assert window.buffer[window.buffer.index(40)] == decided(40)
    assert sequences(window.rows) == [20, 40, 60, 80, 100]
    window.apply("open", parse("triage:open"))
    for _ in range(100):
        # A step is as long as its time allows, which is little on a busy machine.
        window.step()
    assert sequences(window.rows) == [20, 60, 80, 100]
    window.replace(row(40))
    assert sequences(window.rows) == [20, 40, 60, 80, 100]


def test_a_row_that_changes_before_it_is_tested_is_shown_once() -> None:
    window = Window(100)
    window.buffer.extend(rows(10))
    window.replace(decided(3))
    assert len(window.rows) == 0
    window.step()
    assert sequences(window.rows) == list(range(1, 11))
    assert window.rows[2] == decided(3)


def test_a_refill_replaces_all_rows_and_what_is_shown() -> None:
    window = Window(1_000)
    window.buffer.extend(rows(100))
    window.step()
    window.refill([row(sequence) for sequence in (3, 50, 120)], unmatched=97)
    window.step()
    assert sequences(window.rows) == [3, 50, 120]
    assert (window.of, window.pending) == (100, 0)
    window.buffer.extend([row(121)])
    window.step()
    assert sequences(window.rows) == [3, 50, 120, 121]
    window.apply("is:flagged", parse("is:flagged"))
    assert window.of == 4, "what the other filter let through elsewhere is no part of this one"


def test_a_refill_leaves_a_frozen_window_as_it_is_and_keeps_what_is_newer_for_later() -> None:
    window = Window(1_000)
    window.buffer.extend(rows(10))
    window.step()
    window.freeze(True)
    window.refill([row(sequence) for sequence in (2, 8, 11, 12)])
    window.step()
    assert sequences(window.rows) == list(range(1, 11))
    assert window.pending == 2
    window.freeze(False)
    window.step()
    assert sequences(window.rows)[-3:] == [10, 11, 12]


def test_what_is_restored_after_a_refill_shows_no_row_of_the_other_filter() -> None:
    window = Window(1_000)
    window.buffer.extend(rows(10))
    window.step()
    saved = window.save()
    window.apply("is:flagged", parse("is:flagged"))
    window.refill([row(20), row(40)])
    window.step()
    assert sequences(window.rows) == [20, 40]
    window.restore(saved)
    window.step()
    assert sequences(window.rows) == list(range(1, 11))
    window.refill(rows(12))
    window.step()
    assert sequences(window.rows) == list(range(1, 13))
