"""Profiles from stored history: every transaction again, in the order and by the model that it was learnt with."""

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import NamedTuple

from detectors.enhanced import EnhancedModel
from detectors.feedback import Feedback
from detectors.formats import STATE_VERSION
from detectors.state import UserState, encode_all
from domain.transaction import Transaction
from services.models.versions import Versions
from services.store.store import Store

CHUNK = 2_000

Learnt = tuple[Transaction, str | None, str | None]


class Rebuilt(NamedTuple):
    """How many profiles were built from how many transactions, and for how many of those the model in use stood in."""

    profiles: int
    transactions: int
    other_model: int


async def rebuild(store: Store, alert_rates: Mapping[str, float], advance: Callable[[int], None]) -> Rebuilt:
    """Replace all profiles. What analysts decided is not asked: states do not learn by it.

    A transaction that the detector raised on was not learnt then and is not now. The model in use stands in where the
    enhanced detector was off, or where its version can no longer be used. Raises: `faults` errors.
    """
    found = await store.latest_model("enhanced")
    versions = Versions(store, EnhancedModel.from_bytes(found[2]) if found else EnhancedModel.warming())
    states: dict[str, UserState] = {}
    feedback = Feedback(alert_rates=dict(alert_rates))
    transactions = other_model = 0
    last_version = ""

    async def learn(chunk: list[Learnt]) -> None:
        nonlocal transactions, other_model, last_version
        for version, run in groupby(chunk, key=lambda learnt: learnt[1]):
            learnt = [transaction for transaction, _, status in run if status != "error"]
            model = await versions.of(version)
            if versions.missing(version):
                other_model += len(learnt)
            model.score(learnt, states, feedback=feedback)
            last_version = model.version
            transactions += len(learnt)
        advance(len(chunk))
        chunk.clear()

    chunk: list[Learnt] = []
    async for learnt in store.in_stored_order():
        chunk.append(learnt)
        if len(chunk) == CHUNK:
            await learn(chunk)
    await learn(chunk)
    flagged = {user: state.flagged for user, state in states.items()}
    await store.save_profiles(encode_all(states), flagged, STATE_VERSION, last_version)
    return Rebuilt(len(states), transactions, other_model)
