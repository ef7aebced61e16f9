"""The stream's clock: the wall's on a live topic, the highest event time of a replay or a simulation."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.clock import LIVE, Clock, ClockKind
from services.console.clock import LIVE_FOR, Happened, StreamClock

WALL = datetime(2026, 11, 26, 12, tzinfo=UTC)
LAST_YEAR = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Watched:
    """A clock, and the wall's to move by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.clock = StreamClock(lambda: self.seconds, lambda: WALL)

    def see(self, *times: datetime, kind: ClockKind = "replay") -> datetime:
        """Transactions are committed, then a second passes. Returns what time it is for the stream."""
        self.clock.observe([Happened(kind, [time.timestamp() for time in times])] if times else [])
        self.seconds += 1
        return self.clock.now


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_nothing_read_is_wall_time(watched: Watched) -> None:
    assert watched.clock.reading == LIVE
    assert watched.clock.now == WALL


def test_a_live_topic_is_wall_time_whatever_its_records_say(watched: Watched) -> None:
    assert watched.see(WALL - timedelta(days=3), kind="live") == WALL


@pytest.mark.parametrize("kind", ["replay", "simulation"])
def test_a_stream_of_its_own_clock_is_at_its_highest_event_time(watched: Watched, kind: ClockKind) -> None:
    assert watched.see(LAST_YEAR, LAST_YEAR + HOUR, kind=kind) == LAST_YEAR + HOUR
    assert watched.see(LAST_YEAR + HOUR / 2, kind=kind) == LAST_YEAR + HOUR
    assert watched.see(LAST_YEAR + 3 * HOUR, kind=kind) == LAST_YEAR + 3 * HOUR
    assert watched.clock.reading.kind == kind


def test_one_event_far_in_the_future_does_not_move_it(watched: Watched) -> None:
    far = datetime(2099, 1, 1, tzinfo=UTC)
    watched.see(LAST_YEAR, LAST_YEAR + HOUR)
    assert watched.see(far) == LAST_YEAR + HOUR
    assert watched.see(LAST_YEAR + 2 * HOUR) == LAST_YEAR + 2 * HOUR
    assert watched.see(far + HOUR) == far + HOUR


def test_one_that_comes_first_is_passed_over_once_there_are_others(watched: Watched) -> None:
    assert watched.see(datetime(2099, 1, 1, tzinfo=UTC)).year == 2099
    assert watched.see(LAST_YEAR, LAST_YEAR + HOUR) == LAST_YEAR + HOUR


def test_a_file_with_a_gap_of_months_is_followed_from_its_second_row_behind_it(watched: Watched) -> None:
    watched.see(LAST_YEAR, LAST_YEAR + HOUR)
    behind = LAST_YEAR + timedelta(days=100)
    assert watched.see(behind) == LAST_YEAR + HOUR
    assert watched.see(behind + HOUR) == behind + HOUR


def test_rows_that_are_months_apart_all_move_it(watched: Watched) -> None:
    for month in range(1, 7):
        moment = datetime(2025, month, 1, tzinfo=UTC)
        assert watched.see(moment) == moment


def test_an_older_file_begins_anew_after_a_pause(watched: Watched) -> None:
    watched.see(LAST_YEAR, LAST_YEAR + HOUR)
    older = LAST_YEAR - timedelta(days=300)
    assert watched.see(older) == LAST_YEAR + HOUR
    watched.seconds += 10
    assert watched.see(older, older + HOUR) == older + HOUR


def test_another_kind_of_stream_begins_anew(watched: Watched) -> None:
    watched.see(WALL + timedelta(days=300), WALL + timedelta(days=300), kind="simulation")
    assert watched.see(LAST_YEAR, LAST_YEAR) == LAST_YEAR


def test_what_is_replayed_beside_a_live_topic_does_not_take_its_time(watched: Watched) -> None:
    watched.see(WALL, kind="live")
    assert watched.see(LAST_YEAR, LAST_YEAR) == WALL
    watched.seconds += LIVE_FOR
    assert watched.see(LAST_YEAR + HOUR) == LAST_YEAR + HOUR


def test_a_live_record_ends_a_replay(watched: Watched) -> None:
    watched.see(LAST_YEAR, LAST_YEAR)
    assert watched.see(WALL, kind="live") == WALL
    watched.seconds += 2 * LIVE_FOR
    watched.see(WALL, kind="live")
    watched.seconds += 2 * LIVE_FOR
    assert watched.clock.reading == LIVE


def test_a_later_engine_begins_where_the_clock_was_left(watched: Watched) -> None:
    watched.clock.restore(Clock("replay", LAST_YEAR))
    assert watched.clock.reading == Clock("replay", LAST_YEAR)
    older = LAST_YEAR - timedelta(days=300)
    assert watched.see(older, older) == older


def test_its_speed_is_measured_while_it_moves(watched: Watched) -> None:
    for second in range(10):
        watched.see(LAST_YEAR + second * HOUR, kind="simulation")
    assert watched.clock.reading.speed == pytest.approx(3_600)
    watched.seconds += 10
    assert watched.clock.reading.speed is None


AT = datetime(2026, 5, 3, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("clock", "said"),
    [
        (LIVE, ""),
        (Clock("simulation", AT, 1_987.3), "sim 2026-05-03 14:05 x2000"),
        (Clock("simulation", AT, 3_456), "sim 2026-05-03 14:05 x3500"),
        (Clock("replay", AT, 2.04), "replay 2026-05-03 14:05 x2"),
        (Clock("replay", AT, 1.0), "replay 2026-05-03 14:05"),
        (Clock("replay", AT), "replay 2026-05-03 14:05"),
    ],
)
def test_it_is_said_in_one_line(clock: Clock, said: str) -> None:
    assert clock.sentence == said
