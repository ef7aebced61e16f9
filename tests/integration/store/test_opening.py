"""Several processes at once on one database, and on one embedded server."""

import asyncio
import uuid
from pathlib import Path

import asyncpg
import pytest

from services.errors import UserError
from services.store import database
from services.store.database import EmbeddedDatabase
from services.store.store import Store


async def opened_and_closed(dsn: str) -> None:
    store = await Store.open(dsn, connections=2)
    await store.totals()
    await store.close()


async def test_a_database_is_made_once_however_many_open_it(server: EmbeddedDatabase) -> None:
    name = f"test_{uuid.uuid4().hex[:12]}"
    dsn = server.dsn.replace("/anomalies?", f"/{name}?")
    try:
        await asyncio.gather(*(opened_and_closed(dsn) for _ in range(6)))
    finally:
        admin = await asyncpg.connect(server.dsn, database="postgres")
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def test_a_reset_beside_others_that_open_the_store_waits_its_turn(store: Store, database_url: str) -> None:
    async def open_again_and_again() -> None:
        for _ in range(5):
            (await Store.open(database_url, connections=2)).pool.terminate()

    async def reset_again_and_again() -> None:
        for _ in range(5):
            await store.reset()

    await asyncio.gather(reset_again_and_again(), open_again_and_again(), open_again_and_again())


async def test_opening_again_waits_for_nobody_who_reads_profiles(store: Store, database_url: str) -> None:
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM profiles")
        await asyncio.wait_for(opened_and_closed(database_url), 20)


async def test_the_last_to_leave_stops_the_server(tmp_path: Path) -> None:
    first, second = EmbeddedDatabase(tmp_path), EmbeddedDatabase(tmp_path)
    await asyncio.gather(*(each.start(lambda line: None) for each in (first, second)))
    assert first.dsn == second.dsn
    await first.stop()
    await opened_and_closed(second.dsn)
    # Who comes while the last one leaves has a server too.
    await asyncio.gather(second.stop(), first.start(lambda line: None))
    await opened_and_closed(first.dsn)
    await first.stop()
    with pytest.raises(UserError, match="Cannot connect"):
        await Store.open(first.dsn)


async def test_a_folder_may_have_blanks_and_signs_in_its_name(tmp_path: Path) -> None:
    """On macOS the usual one has a blank."""
    server = EmbeddedDatabase(tmp_path / "it's Zoë & 100% #1?")
    await server.start(lambda line: None)
    await opened_and_closed(server.dsn)
    await server.stop()


async def test_the_locale_of_the_environment_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSH brings along that of the machine one comes from."""
    monkeypatch.setenv("LC_ALL", "tlh_QO.UTF-8")
    server = EmbeddedDatabase(tmp_path)
    await server.start(lambda line: None)
    connection = await asyncpg.connect(server.dsn, database="postgres")
    assert await connection.fetchval("SELECT lower('ÀÉ') || ('a' > 'Z')") == "àétrue"
    await connection.close()
    await server.stop()


async def test_why_the_server_could_not_be_made_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_LOCALE", ("--locale-provider=none",))
    with pytest.raises(UserError, match=r"could not be made.*error: unrecognized locale provider: none"):
        await EmbeddedDatabase(tmp_path).start(lambda line: None)
    assert not [*tmp_path.glob("postgresql*/")]


@pytest.mark.parametrize("sign", [",", "$", '"', "`", "\\"])
async def test_a_name_that_postgresql_cannot_have_is_refused_at_once(tmp_path: Path, sign: str) -> None:
    with pytest.raises(UserError, match="--data-dir") as refused:
        await EmbeddedDatabase(tmp_path / f"a{sign}b").start(lambda line: None)
    assert f"for the {sign} in its name" in str(refused.value)


async def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgresql").mkdir()
    (tmp_path / "postgresql" / "letter.txt").write_text("dear diary")
    with pytest.raises(UserError, match="--data-dir"):
        await EmbeddedDatabase(tmp_path).start(lambda line: None)
    assert (tmp_path / "postgresql" / "letter.txt").read_text() == "dear diary"
