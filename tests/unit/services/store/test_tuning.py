"""What a PostgreSQL server is set to."""

from pathlib import Path

from services.store.tuning import FILE, settings, too_low, tune

GIB = 2**30


def test_a_small_machine_and_a_large_one_stay_within_bounds() -> None:
    small, large = settings(GIB // 2, GIB), settings(256 * GIB, 2000 * GIB)
    assert (small["shared_buffers"], small["max_wal_size"]) == ("128MB", "1024MB")
    assert (large["shared_buffers"], large["max_wal_size"]) == ("2048MB", "4096MB")
    assert settings(8 * GIB, 20 * GIB)["shared_buffers"] == "1024MB"


def test_what_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgresql.conf").write_text("port = 1\n")
    tune(tmp_path)
    assert "shared_buffers" in (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text("shared_buffers = 1MB\n")
    tune(tmp_path)
    assert (tmp_path / FILE).read_text() == "shared_buffers = 1MB\n"
    assert (tmp_path / "postgresql.conf").read_text().count(FILE) == 1


def test_a_server_as_it_is_installed_is_found_to_be_set_low() -> None:
    assert too_low({"shared_buffers": "128MB", "max_wal_size": "1GB"}) == [
        "shared_buffers is 128MB",
        "max_wal_size is 1GB",
    ]
    assert too_low({"shared_buffers": "4GB", "max_wal_size": "8GB"}) == []
    assert too_low({}) == []
