"""Profiles rebuilt from stored history are the ones that were learnt online, to the last bit."""

import os
from datetime import UTC, datetime
from itertools import islice

import pytest

from detectors.feedback import Feedback
from detectors.formats import STATE_VERSION
from detectors.models import Models
from detectors.policy import USUAL_POLICY
from detectors.state import UserState, decode_all
from services.models import schedule
from services.models.profiles import rebuild
from services.pipeline.scoring import DecodedRecord, Move, Share, score
from services.store.batch import Term
from services.store.store import Store
from simulator import Simulator

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
ROWS, BATCH, USERS = (200_000, 2_000, 500) if FULL else (24_000, 2_000, 100)
FITS = (2_000, ROWS // 2)
"""Transactions after which another model takes over; the first ones are learnt while there is none."""


@pytest.mark.timeout(900)
async def test_a_rebuild_equals_the_online_states(store: Store) -> None:
    opening = await store.open_term("c", "transactions", 0, "tests")
    term = Term("c", "transactions", 0, opening.epoch)
    # Analysts' decisions change verdicts on the way, and no state.
    feedback = Feedback(lifts={"m-paris-groceries-1": 2.0}, alert_rates={"u-0007": 0.05})
    models = schedule.warming("both")._replace(basic=None, feedback=feedback)
    stream = Simulator(USERS, 0.05, seed=3, start=datetime(2026, 1, 5, tzinfo=UTC), rate=0.05).stream()
    online: dict[str, UserState] = {}
    history = []
    for offset in range(0, ROWS, BATCH):
        if offset in FITS:
            fitted = schedule.fit(history[-20_000:], offset, "enhanced", USUAL_POLICY)
            assert fitted.enhanced is not None
            await store.save_model(fitted.enhanced.version, "enhanced", offset, fitted.enhanced.to_bytes(), {})
            models = Models(None, fitted.enhanced, feedback)
        rows = [
            DecodedRecord(offset + number, 0.0, b"", transaction, truth)
            for number, (transaction, truth) in enumerate(islice(stream, BATCH))
        ]
        history += [row.transaction for row in rows]
        users = {row.transaction.user_id for row in rows}
        encoded = {user: online[user].to_bytes() for user in users if user in online}
        batch = score([Share(Move(term, offset, offset + BATCH), rows)], encoded, {}, models)
        online |= decode_all(batch.prepared.batch.parts[0].profiles)
        await store.commit(batch.prepared)
    learnt = await store.profiles(sorted(online), STATE_VERSION)
    assert learnt == {user: state.to_bytes() for user, state in online.items()}

    await store.pool.execute("TRUNCATE profiles")
    built = await rebuild(store, feedback.alert_rates, lambda rows: None)
    assert built == (len(learnt), ROWS, 0)
    assert await store.profiles(sorted(online), STATE_VERSION) == learnt


async def test_the_model_in_use_stands_in_for_one_that_is_gone(store: Store) -> None:
    opening = await store.open_term("c", "transactions", 0, "tests")
    term = Term("c", "transactions", 0, opening.epoch)
    stream = Simulator(20, 0.05, seed=3, start=datetime(2026, 1, 5, tzinfo=UTC), rate=0.05).stream()
    rows = [
        DecodedRecord(number, 0.0, b"", transaction, truth)
        for number, (transaction, truth) in enumerate(islice(stream, 1_500))
    ]
    models = schedule.fit([row.transaction for row in rows], 1_500, "enhanced", USUAL_POLICY)
    batch = score([Share(Move(term, 0, 1_500), rows)], {}, {}, models)
    await store.commit(batch.prepared)
    built = await rebuild(store, {}, lambda rows: None)
    assert built == (len(batch.prepared.batch.parts[0].profiles), 1_500, 1_500)
