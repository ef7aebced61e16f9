"""`backup` and `restore` as a user types them; what an engine makes of a restored database is in tests/faults."""

import stat
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from services.store.dump import _without_password
from tests.acceptance.session import Run


async def test_a_backup_is_private_whole_and_restored_into_an_empty_database_only(
    run: Run, tmp_path: Path, database_url: str
) -> None:
    assert run("init-db").returncode == 0
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO dead_letters VALUES ('c', 't', 0, 1, 7, 'x', 'a reason')")
    await connection.close()
    made = run("backup", "all.dump")
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE((tmp_path / "all.dump").stat().st_mode) == 0o600
    for arguments, said in (
        (("backup", "all.dump"), "all.dump is there already"),
        (("backup", "nowhere/all.dump"), "Cannot write nowhere/all.dump: No such file"),
        (("restore", "all.dump"), "The database is not empty"),
        (("restore", "none.dump"), "Cannot read none.dump"),
    ):
        refused = run(*arguments)
        assert (refused.returncode, said in refused.stderr) == (1, True), refused.stderr
        assert "Traceback" not in refused.stderr

    elsewhere = database_url.replace("/test_", "/restored_")
    restored = run("restore", "all.dump", DATABASE_URL=elsewhere)
    assert restored.returncode == 0, restored.stderr
    connection = await asyncpg.connect(elsewhere)
    assert await connection.fetchval('SELECT "offset" FROM dead_letters') == 7
    assert await connection.fetchval("SELECT has_table_privilege('anomaly_tui_reader', 'transactions', 'SELECT')")
    await connection.close()
    assert run("stats", DATABASE_URL=elsewhere).returncode == 0
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"DROP DATABASE {urlsplit(elsewhere).path[1:]} WITH (FORCE)")
    await admin.close()


def test_a_file_that_is_cut_off_restores_nothing(run: Run, tmp_path: Path, database_url: str) -> None:
    assert run("init-db").returncode == 0
    assert run("backup", "all.dump").returncode == 0
    whole = (tmp_path / "all.dump").read_bytes()
    (tmp_path / "half.dump").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.dump").write_bytes(b"-- PostgreSQL database dump")
    embedded = {"DATABASE_URL": "", "ANOMALY_TUI_DATA_DIR": str(tmp_path / "other")}
    half = run("restore", "half.dump", **embedded)
    assert (half.returncode, "pg_restore failed" in half.stderr) == (1, True), half.stderr
    text = run("restore", "text.dump", **embedded)
    assert (text.returncode, "is no file of `anomaly-tui backup`" in text.stderr) == (1, True), text.stderr
    # Nothing is there of the one that failed.
    assert run("restore", "all.dump", **embedded).returncode == 0


def test_a_password_is_no_argument() -> None:
    url, environment = _without_password("postgresql://ann:p%40ss@db.example:5433/anomalies?sslmode=require")
    assert url == "postgresql://ann@db.example:5433/anomalies?sslmode=require"
    assert environment["PGPASSWORD"] == "p@ss"
