"""The live stream: the same people at every run of one data directory, and never the same transactions."""

from itertools import islice
from pathlib import Path

from domain.transaction import Transaction
from services.sending.simulation import live_stream
from services.settings import load


def sent(folder: Path, **flags: object) -> list[Transaction]:
    settings = load({"data_dir": folder, "users": 5, "anomaly_rate": 0.0, "rate": 100.0, **flags}).settings
    return [transaction for transaction, _ in islice(live_stream(settings), 300)]


def people(transactions: list[Transaction]) -> set[tuple[str, str | None]]:
    """Users with the devices they carry."""
    return {(transaction.user_id, transaction.device.id) for transaction in transactions}


def test_a_second_run_has_the_same_people_and_other_transactions(tmp_path: Path) -> None:
    first, second = sent(tmp_path), sent(tmp_path)
    assert people(first) & people(second)
    assert not {each.transaction_id for each in first} & {each.transaction_id for each in second}


def test_another_data_directory_has_other_people(tmp_path: Path) -> None:
    assert not people(sent(tmp_path / "a")) & people(sent(tmp_path / "b"))


def test_a_configured_seed_comes_first(tmp_path: Path) -> None:
    assert people(sent(tmp_path / "a", seed=7)) & people(sent(tmp_path / "b", seed=7))
    assert not (tmp_path / "a" / "simulator.seed").exists()


def test_a_seed_that_cannot_be_read_is_drawn_again(tmp_path: Path) -> None:
    (tmp_path / "simulator.seed").write_text("spoilt")
    assert people(sent(tmp_path)) & people(sent(tmp_path))
