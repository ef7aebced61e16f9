"""Pages joined are the whole: whatever their size, and however many rows have the same time or score."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.filters import EVERYTHING, parse
from domain.transaction import Transaction
from domain.verdict import ScoredTransaction, Severity, Verdict, urgency
from services.api.pages import cursor_of, dead_cursor_of, dead_place_of, position_of, ranked_of
from services.store.batch import DeadRecord, StoredRow, Term, prepare
from services.store.pages import LATEST, NEWEST, WORST, DeadPlace, Position, Ranked
from services.store.store import Store
from tests.storing import batch_of
from tui.lists.sorting import worth

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
ROWS = 60
SIZES = (1, 2, 7, 59, 60, 61)


@pytest.fixture
async def filled(store: Store) -> Store:
    """Sixty transactions at five times around midnight, most of them flagged, with scores about where bands begin."""
    rows = []
    for number in range(ROWS):
        transaction = Transaction(
            transaction_id=f"{number * 37 % ROWS}/é .{number % 3}",
            user_id="ab"[number % 2],
            amount=Decimal(number),
            currency="EUR",
            timestamp=MIDNIGHT + timedelta(microseconds=number % 5 - 2),
        )
        flagged_by = ((), ("basic",), ("enhanced",), ("basic", "enhanced"))[number % 4]
        verdicts = tuple(
            Verdict(
                detector=detector,
                score=(0.1 + 0.2, 0.7, 1 / 3, 0.6951, 0.8999, 0.9, 0.9049)[(number // 4 + len(detector)) % 7],
                threshold=0.3,
                flagged=detector in flagged_by,
                severity=Severity.UNUSUAL,
                model_version="1",
            )
            for detector in ("basic", "enhanced")
        )
        rows.append(StoredRow(number, transaction, verdicts, None))
    dead = tuple(DeadRecord(ROWS + number, b"{", "no JSON") for number in range(5))
    for partition in range(2):
        opening = await store.open_term("c", "a topic", partition, "a")
        term = Term("c", "a topic", partition, opening.epoch)
        stored = tuple(rows) if partition == 0 else ()
        await store.commit(prepare(batch_of(term, 0, ROWS + 5, stored, dead)))
    return store


def ids(rows: tuple[ScoredTransaction, ...] | list[ScoredTransaction]) -> list[str]:
    return [row.transaction.transaction_id for row in rows]


def position(row: ScoredTransaction) -> Position:
    return position_of(cursor_of(Position(row.transaction.timestamp, row.transaction.transaction_id)))


def rank(row: ScoredTransaction) -> Ranked:
    assert row.headline is not None
    return ranked_of(cursor_of(Ranked(urgency(row.headline.score), *position(row))))


@pytest.mark.parametrize("text", ["", "user=a amount>10", "is:flagged"])
async def test_transactions_page_by_page(filled: Store, text: str) -> None:
    wanted = parse(text)
    whole = await filled.history(wanted, 1_000)
    assert ids(whole) == ids(await filled.pages.transactions(wanted, NEWEST, 1_000))
    for size in SIZES:
        found: list[ScoredTransaction] = []
        while page := await filled.pages.transactions(wanted, position(found[-1]) if found else NEWEST, size):
            found += page
        assert ids(found) == ids(whole)


async def test_anomalies_page_by_page_in_either_order(filled: Store) -> None:
    whole = await filled.stored_anomalies(EVERYTHING, None, 1_000)
    assert len(whole) == 45
    worst_first = await filled.pages.anomalies_by_urgency(EVERYTHING, WORST, 1_000)
    assert ids(worst_first) == [row.transaction.transaction_id for row in sorted(whole, key=worth, reverse=True)]
    for size in SIZES:
        found: list[ScoredTransaction] = []
        while page := await filled.pages.anomalies(EVERYTHING, position(found[-1]) if found else NEWEST, size):
            found += page
        assert ids(found) == ids(whole)
        found = []
        while page := await filled.pages.anomalies_by_urgency(EVERYTHING, rank(found[-1]) if found else WORST, size):
            found += page
        assert ids(found) == ids(worst_first)


async def test_dead_letters_page_by_page(filled: Store) -> None:
    for size in (1, 3, 10):
        found: list[DeadPlace] = []
        after = LATEST
        while page := await filled.pages.dead_letters(after, size):
            found += [place for place, _ in page]
            after = dead_place_of(dead_cursor_of(found[-1]))
        assert len(found) == len(set(found)) == 10
        assert found == sorted(found, reverse=True)


async def test_one_transaction_by_its_id(filled: Store) -> None:
    for row in await filled.history(EVERYTHING, 5):
        found = await filled.pages.transaction(row.transaction.transaction_id)
        assert found is not None
        assert (found.transaction, found.verdicts) == (row.transaction, row.verdicts)
    assert await filled.pages.transaction("none") is None
