"""What a filter finds in stored history."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from domain.filters import EVERYTHING, parse
from domain.transaction import Transaction
from domain.verdict import Severity, Verdict
from services.store.batch import StoredRow, Term, prepare
from services.store.pools import READER
from services.store.reading import reading
from services.store.search import UserTotals
from services.store.store import Store
from tests.storing import batch_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def fill(store: Store, *rows: tuple[str, str, str, str]) -> None:
    """Store (id, user, amount, currency); an amount above 100 is flagged."""
    opening = await store.open_term("c", "transactions", 0, "a")
    stored = []
    for number, (ident, user, amount, currency) in enumerate(rows):
        transaction = Transaction(
            transaction_id=ident,
            user_id=user,
            amount=Decimal(amount),
            currency=currency,
            timestamp=AT + timedelta(seconds=number),
        )
        flagged = transaction.amount > 100
        verdict = Verdict(
            detector="basic",
            score=0.95 if flagged else 0.1,
            threshold=0.9,
            flagged=flagged,
            severity=Severity.CRITICAL if flagged else Severity.NORMAL,
            model_version="1",
        )
        stored.append(StoredRow(opening.next_offset + number, transaction, (verdict,), None))
    term = Term("c", "transactions", 0, opening.epoch)
    following = opening.next_offset + len(rows)
    await store.commit(prepare(batch_of(term, opening.next_offset, following, tuple(stored))))


async def test_users_are_counted_with_exact_totals_by_currency(store: Store) -> None:
    await fill(
        store, ("1", "a", "0.10", "EUR"), ("2", "a", "0.20", "EUR"), ("3", "a", "500", "JPY"), ("4", "b", "7", "EUR")
    )
    first, second = await store.search.users(EVERYTHING, 10)
    assert first == UserTotals(
        user_id="a",
        transactions=3,
        flagged=1,
        last_seen=AT + timedelta(seconds=2),
        totals={"EUR": Decimal("0.30"), "JPY": Decimal("500")},
    )
    assert (second.user_id, second.transactions, second.flagged) == ("b", 1, 0)
    assert [user.user_id for user in await store.search.users(parse("-is:flagged amount>1"), 10)] == ["b"]
    assert len(await store.search.users(EVERYTHING, 1)) == 1


async def test_what_was_stored_since_is_told_once_in_the_order_of_storing(store: Store) -> None:
    await fill(store, ("1", "a", "1", "EUR"))
    recent = await store.search.recent(timedelta(seconds=60))
    assert set(recent.stored) == {"1"}
    await fill(store, ("2", "a", "2", "EUR"), ("3", "b", "3", "EUR"))
    await fill(store, ("0", "a", "4", "EUR"))
    since = recent.at - timedelta(seconds=60)
    now, rows = await store.search.stored_since(EVERYTHING, since, recent.stored, 10)
    assert [row.transaction.transaction_id for row in rows] == ["2", "3", "0"]
    assert now > recent.at
    _, rows = await store.search.stored_since(parse("user=a"), since, [*recent.stored, "0"], 10)
    assert [row.transaction.transaction_id for row in rows] == ["2"]
    assert (await store.search.stored_since(EVERYTHING, now + timedelta(seconds=60), (), 10))[1] == ()


async def test_who_asks_cannot_write(store: Store) -> None:
    async with reading(store.readers) as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM transactions")
    async with store.readers.acquire() as connection:
        await connection.execute("SET default_transaction_read_only = off")
        for change in (
            "DELETE FROM transactions",
            "UPDATE triage SET note = ''",
            "CREATE TABLE t ()",
            "DROP TABLE days",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change)
        # Nor become somebody else by a second statement.
        await connection.execute("RESET ROLE")
        assert await connection.fetchval("SELECT current_user") == READER
