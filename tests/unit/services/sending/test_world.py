"""The simulated world of a data directory: the same people at every run, and never the same transactions."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path

import pytest

from domain.transaction import Transaction
from services.sending.world import BEGINNING, UNSEEN_WHEN_LIVE, World, live_kinds, live_simulator
from services.settings import Settings, load

DAY = timedelta(days=1)


def settings(folder: Path, **flags: object) -> Settings:
    return load({"data_dir": folder, "users": 5, "anomaly_rate": 0.0, "rate": 100.0, **flags}).settings


def take(world: World, count: int = 300) -> list[Transaction]:
    return [transaction for transaction, _ in islice(world.stream(), count)]


def sent(folder: Path, count: int = 300, **flags: object) -> list[Transaction]:
    """What one run sends, from its start to a clean stop."""
    world = World(settings(folder, **flags))
    transactions = take(world, count)
    world.stop()
    return transactions


def live(folder: Path, **flags: object) -> list[Transaction]:
    return [transaction for transaction, _ in islice(live_simulator(settings(folder, **flags)).stream(), 300)]


def people(transactions: list[Transaction]) -> set[tuple[str, str | None]]:
    """Users with the devices they carry."""
    return {(transaction.user_id, transaction.device.id) for transaction in transactions}


def ids(transactions: list[Transaction]) -> set[str]:
    return {transaction.transaction_id for transaction in transactions}


@pytest.mark.parametrize("run", [sent, live])
def test_a_second_run_has_the_same_people_and_other_transactions(tmp_path: Path, run: object) -> None:
    first, second = run(tmp_path), run(tmp_path)  # type: ignore[operator]
    assert people(first) & people(second)
    assert not ids(first) & ids(second)


@pytest.mark.parametrize("run", [sent, live])
def test_another_data_directory_has_other_people(tmp_path: Path, run: object) -> None:
    assert not people(run(tmp_path / "a")) & people(run(tmp_path / "b"))  # type: ignore[operator]


def test_a_configured_seed_comes_first(tmp_path: Path) -> None:
    assert people(sent(tmp_path / "a", seed=7)) & people(sent(tmp_path / "b", seed=7))
    assert not (tmp_path / "a" / "simulator.seed").exists()


def test_a_seed_that_cannot_be_read_is_drawn_again(tmp_path: Path) -> None:
    (tmp_path / "simulator.seed").write_text("spoilt")
    assert people(live(tmp_path)) & people(live(tmp_path))


def test_the_same_seed_gives_the_same_stream_but_for_the_prefix_of_its_ids(tmp_path: Path) -> None:
    first, second = (sent(tmp_path / name, seed=7) for name in "ab")
    assert [(each.user_id, each.timestamp, each.amount, each.merchant) for each in first] == [
        (each.user_id, each.timestamp, each.amount, each.merchant) for each in second
    ]


def test_people_buy_ten_times_a_day_whatever_the_rate(tmp_path: Path) -> None:
    for rate in (20.0, 2_000.0):
        times = [each.timestamp for each in sent(tmp_path / str(rate), 1_000, users=50, rate=rate)]
        assert len(times) / 50 / ((times[-1] - times[0]) / DAY) == pytest.approx(10, rel=0.02)


def test_the_clock_runs_as_much_faster_as_the_rate_asks_and_never_slower_than_the_walls(tmp_path: Path) -> None:
    assert World(settings(tmp_path, users=100, rate=40.0)).speed == pytest.approx(3_456)
    assert World(settings(tmp_path, users=100, rate=0.001)).speed == 1.0


def test_the_next_run_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    first, second = sent(tmp_path, 500), sent(tmp_path, 500)
    times = [each.timestamp for each in (*first, *second)]
    assert all(before <= after for before, after in pairwise(times))
    assert first[-1].timestamp < second[0].timestamp < first[-1].timestamp + timedelta(hours=1)


def test_a_run_that_was_killed_is_gone_on_from_behind_all_it_sent(tmp_path: Path) -> None:
    first = take(World(settings(tmp_path)), 5_000)
    second = take(World(settings(tmp_path)), 500)
    assert not ids(first) & ids(second)
    assert first[-1].timestamp < second[0].timestamp < first[-1].timestamp + 21 * DAY


def test_an_asked_again_stream_goes_on(tmp_path: Path) -> None:
    world = World(settings(tmp_path))
    assert not ids(take(world)) & ids(take(world))


def test_a_place_that_cannot_be_read_or_kept_is_none(tmp_path: Path) -> None:
    (tmp_path / "simulator.json").write_text("spoilt")
    assert sent(tmp_path)[0].timestamp < BEGINNING + DAY
    (tmp_path / "file").touch()
    assert sent(tmp_path / "file" / "below")


def test_other_people_go_on_at_the_same_time(tmp_path: Path) -> None:
    first, second = sent(tmp_path, 1_000, seed=1), sent(tmp_path, 1_000, seed=2)
    assert first[-1].timestamp < second[0].timestamp
    assert not people(first) & people(second)
    assert not ids(first) & ids(second)


def test_a_world_of_which_nothing_is_known_begins_behind_what_is_stored(tmp_path: Path) -> None:
    stored = datetime(2027, 3, 1, 12, tzinfo=UTC)
    assert stored < take(World(settings(tmp_path / "a"), stored))[0].timestamp < stored + timedelta(hours=2)
    early = datetime(2020, 3, 1, 12, tzinfo=UTC)
    assert take(World(settings(tmp_path / "b"), early))[0].timestamp >= BEGINNING


def test_history_is_ten_days_or_ten_thousand_transactions_unless_it_is_configured(tmp_path: Path) -> None:
    assert World(settings(tmp_path / "a", users=50)).history_left(first=True) == 5_000
    assert World(settings(tmp_path / "b", users=5_000)).history_left(first=True) == 10_000
    assert World(settings(tmp_path / "c", users=50, history_days=30.0)).history_left(first=True) == 15_000
    assert World(settings(tmp_path / "d", history_days=0.0)).history_left(first=True) == 0


def test_history_that_was_broken_off_is_finished_at_the_next_start(tmp_path: Path) -> None:
    world = World(settings(tmp_path, users=50))
    assert world.history_left(first=True) == 5_000
    take(world, 2_000)
    world.stop()
    again = World(settings(tmp_path, users=50))
    assert again.history_left(first=False) == pytest.approx(3_000, abs=1)
    take(again, 3_001)
    again.stop()
    assert World(settings(tmp_path, users=50)).history_left(first=False) == 0


def test_live_people_who_buy_all_the_time_show_no_unusual_hours_and_no_bursts(tmp_path: Path) -> None:
    assert not {*live_kinds(settings(tmp_path, users=100))} & {*UNSEEN_WHEN_LIVE}
    assert {*live_kinds(settings(tmp_path, users=1_000_000))} >= {*UNSEEN_WHEN_LIVE}
    stream = live_simulator(settings(tmp_path, users=100, anomaly_rate=0.5)).stream()
    assert not {truth.kind for _, truth in islice(stream, 3_000) if truth} & {*UNSEEN_WHEN_LIVE}
