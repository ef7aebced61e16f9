"""What was stored before the first fit is judged by the first models, as if they had been there from the beginning."""

from dataclasses import dataclass

import pytest

from detectors.formats import STATE_VERSION
from detectors.models import Models
from detectors.policy import Policy
from detectors.state import UserState
from domain.transaction import Transaction
from domain.verdict import Verdict
from services.brokers.broker import Broker
from services.models import schedule
from services.models.backfill import backfill
from services.models.profiles import rebuild
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import Consumer, send, simulated

ROWS = simulated(400)
TRANSACTIONS = [transaction for transaction, _ in ROWS]


@dataclass
class Stored:
    """A store with transactions that were judged while warming up, and models fitted on the first of them."""

    store: Store
    models: Models


@pytest.fixture
async def stored(broker: Broker, sender: Sender, store: Store) -> Stored:
    """The first 300 were stored before the fit, the others after it."""
    models = schedule.fit(TRANSACTIONS[:300], 300, "both", Policy(alert_rate=0.05))
    assert models.enhanced is not None
    assert models.basic is not None
    await store.save_model(models.enhanced.version, "enhanced", 300, models.enhanced.to_bytes(), {})
    async with Consumer(broker, store, schedule.warming("both")) as consumer:
        await send(sender, ROWS[:300])
        await consumer.drained(sender)
    return Stored(store, models)


async def given(store: Store) -> dict[tuple[str, str], tuple[float, float, bool, str, str]]:
    """What is stored of each verdict, by transaction and detector."""
    rows = await store.pool.fetch("SELECT * FROM verdicts")
    return {
        (row["transaction_id"], row["detector"]): (
            row["score"],
            row["threshold"],
            row["flagged"],
            row["status"],
            row["model_version"],
        )
        for row in rows
    }


def expected(models: Models) -> dict[tuple[str, str], tuple[float, float, bool, str, str]]:
    """What the models say of those transactions, a user's in order, as it is stored: in billionths."""
    assert models.enhanced is not None
    assert models.basic is not None
    judged: list[tuple[Transaction, Verdict]] = [
        *zip(TRANSACTIONS[:300], models.basic.score(TRANSACTIONS[:300]), strict=True),
        *zip(TRANSACTIONS[:300], models.enhanced.score(TRANSACTIONS[:300], {}), strict=True),
    ]
    return {
        (transaction.transaction_id, verdict.detector): (
            round(verdict.score, 9),
            round(verdict.threshold, 9),
            verdict.flagged,
            "backfilled",
            verdict.model_version,
        )
        for transaction, verdict in judged
    }


async def profiles(store: Store) -> dict[str, bytes]:
    return await store.profiles(sorted({transaction.user_id for transaction in TRANSACTIONS}), STATE_VERSION)


async def test_every_verdict_of_the_warm_up_is_given_again(stored: Stored) -> None:
    assert {status for *_, status, _ in (await given(stored.store)).values()} == {"warming"}
    judged: list[str] = []
    await backfill(stored.store, "a", stored.models, {}, lambda rows: judged.extend(t.transaction_id for t, _ in rows))
    assert await given(stored.store) == expected(stored.models)
    assert sorted(judged) == sorted([transaction.transaction_id for transaction in TRANSACTIONS[:300]] * 2)
    assert not await stored.store.backfill.waiting(("basic", "enhanced"))


async def test_profiles_are_those_of_the_first_models(stored: Stored) -> None:
    await backfill(stored.store, "a", stored.models, {}, lambda rows: None)
    assert stored.models.enhanced is not None
    states: dict[str, UserState] = {}
    stored.models.enhanced.score(TRANSACTIONS[:300], states)
    found = await profiles(stored.store)
    assert found == {user: state.to_bytes() for user, state in states.items()}
    await rebuild(stored.store, {}, lambda rows: None)
    assert await profiles(stored.store) == found


async def test_what_came_after_the_fit_is_learnt_again_and_keeps_its_verdict(
    broker: Broker, sender: Sender, stored: Stored
) -> None:
    async with Consumer(broker, stored.store, stored.models) as consumer:
        await send(sender, ROWS[300:])
        await consumer.drained(sender)
    before = await given(stored.store)
    await backfill(stored.store, "a", stored.models, {}, lambda rows: None)
    after = await given(stored.store)
    later = {transaction.transaction_id for transaction in TRANSACTIONS[300:]}
    assert {key: row for key, row in after.items() if key[0] in later} == {
        key: row for key, row in before.items() if key[0] in later
    }
    assert {row[3] for row in after.values()} == {"ok", "backfilled"}
    found = await profiles(stored.store)
    await rebuild(stored.store, {}, lambda rows: None)
    assert await profiles(stored.store) == found


async def test_other_engines_lose_their_terms_and_one_s_own_goes_on(broker: Broker, stored: Stored) -> None:
    ours = await stored.store.open_term(broker.cluster_id, "transactions", 0, "a")
    theirs = await stored.store.open_term(broker.cluster_id, "transactions", 1, "b")
    await backfill(stored.store, "a", stored.models, {}, lambda rows: None)
    epochs = {row["partition"]: row["epoch"] for row in await stored.store.progress()}
    assert epochs[0] == ours.epoch
    assert epochs[1] > theirs.epoch
