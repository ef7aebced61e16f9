"""The predicate and the SQL of a filter choose the same rows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.budget import Budget
from domain.filters import EVERYTHING, parse
from domain.transaction import GroundTruth, Location, Merchant, Transaction
from domain.triage import TriageStatus
from domain.verdict import Reason, Severity, Verdict
from services.store.batch import StoredRow, Term, prepare
from services.store.store import Store
from tests.storing import batch_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

FILTERS = """
amount>100
amount<=99.99
amount!=100
country:fr
country!=FR
country=FR,MT
-country:FR
city:é
city:É
user=u-1
user=U-1
user:U-2*
user!=u-1
merchant:50%
merchant:a_b
merchant:a*b
merchant:back\\slash
merchant:"x*y"
score>=.5
score<.5
basic>.6
enhanced!=.25
severity>=suspicious
severity!=critical
severity:unusual
severity<unusual
is:flagged
-is:flagged
is:disagreed
is:anomalous
-is:anomalous
is:warming
is:error
kind:spike
kind!=spike
triage:open
-triage:open
triage:acknowledged
triage=confirmed,false_positive
triage:snoozed
triage:over_budget
triage!=snoozed
why:velo
why=amount
-why:velo
why:other,velo
hour>=12
time<2026-03-01
since:36h
until:36h
latitude<0
latitude!=0
grocery
-grocery
(country:FR | country:MT) amount>1
-(country:FR amount<100)
"""


def reasons(number: int) -> tuple[Reason, ...]:
    return (
        Reason("velocity_1h", "frequency", 0.04 if number % 2 else 0.4),
        Reason("amount", "amount", 0.1 * (number % 3)),
        Reason("other", "other", 0.2),
    )


def verdict(detector: str, score: float, number: int) -> Verdict:
    return Verdict(
        detector=detector,  # type: ignore[arg-type]
        score=score,
        threshold=0.9,
        flagged=score >= 0.7,
        severity=Severity.of(score),
        model_version="1",
        status=("ok", "warming", "error")[number % 3],  # type: ignore[arg-type]
        reasons=reasons(number),
    )


def stored(number: int) -> StoredRow:
    merchants = ("50% off", "a_b", "axb", "back\\slash", "x*y", None)
    cities = ("Orléans", "ÉVREUX", None, "plain")
    transaction = Transaction(
        transaction_id=f"t-{number}",
        user_id=("u-1", "U-1", "u-22")[number % 3],
        amount=Decimal(("99.99", "100", "100.00", "250.5")[number % 4]),
        currency="EUR",
        timestamp=NOW - timedelta(hours=7 * number),
        location=Location(
            country=("FR", "MT", None, "DE")[number % 4],
            city=cities[number // 2 % 4],
            latitude=(None, -5.0, 0.0, 48.5)[number % 4],
        ),
        merchant=Merchant(name=merchants[number % 6], category=("grocery", None)[number % 2]),
    )
    verdicts = (verdict("basic", number % 5 / 4, number), verdict("enhanced", number % 9 / 8, number))
    truth = None if number % 4 == 0 else GroundTruth(anomalous=number % 4 == 1, kind=("spike", None)[number % 2])
    return StoredRow(number, transaction, verdicts[: 1 + (number % 7 > 0)], truth)


@pytest.fixture
async def filled(store: Store) -> Store:
    opening = await store.open_term("c", "transactions", 0, "a")
    rows = tuple(stored(number) for number in range(36))
    term = Term("c", "transactions", 0, opening.epoch)
    await store.commit(prepare(batch_of(term, 0, len(rows), rows)))
    for number, status in enumerate(status for status in TriageStatus if status is not TriageStatus.OVER_BUDGET):
        ids = [f"t-{each}" for each in range(number, 30, 6)]
        await store.triage.decide(ids, status, NOW + timedelta(hours=1), None, "ann")
    await store.triage.decide(["t-4", "t-10"], TriageStatus.SNOOZED, NOW - timedelta(hours=1), None, "ann")
    for day in {row.transaction.timestamp.date() for row in rows}:
        await store.queue.keep_to(Budget(1), day)
    return store


async def test_the_predicate_and_the_sql_of_a_filter_choose_the_same_rows(filled: Store) -> None:
    everything = await filled.history(EVERYTHING, 100)
    assert len(everything) == 36
    chosen = {}
    for text in FILTERS.strip().splitlines():
        asked = parse(text, NOW)
        by_sql = [row.transaction.transaction_id for row in await filled.history(asked, 100)]
        by_predicate = [row.transaction.transaction_id for row in everything if asked.matches(row)]
        assert by_sql == by_predicate, text
        chosen[text] = len(by_sql)
    one_sided = {text for text, count in chosen.items() if count in (0, 36)}
    assert one_sided <= {"city:É"}, "these filters test nothing here"


async def test_any_filter_finds_the_users_of_the_rows_that_match(filled: Store) -> None:
    await filled.save_profiles(dict.fromkeys(("u-1", "U-1", "u-22"), b"state"), {}, 1, "1")
    for text in FILTERS.strip().splitlines():
        asked = parse(text, NOW)
        expected = {row.transaction.user_id for row in await filled.history(asked, 100)}
        assert {user for user, _ in await filled.users.listed("id", 10, 1, filter=asked)} == expected, text
