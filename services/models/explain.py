"""Why a stored transaction was flagged, asked afterwards: against its user's profile as it was then."""

import asyncio
from itertools import groupby

from msgspec.structs import replace

from detectors.counterfactual import counterfactual
from detectors.feedback import Feedback
from detectors.models import Models
from detectors.state import UserState
from domain.verdict import Counterfactual
from services.models.versions import Versions
from services.store.store import Store

LEARNT_AGAIN = 5_000
"""A profile before a transaction is learnt again from at most so many of the user's: habits fade within hundreds."""


async def explain(store: Store, models: Models, transaction_id: str) -> Counterfactual | None:
    """The smallest change of one field with which the enhanced detector would not have flagged the transaction.

    None where there is no such change, where it was not flagged, or is not stored (any more). What analysts have
    tolerated since does not count. Raises `faults` errors.
    """
    if models.enhanced is None:
        return None
    learnt = await store.learnt_up_to(transaction_id, LEARNT_AGAIN)
    if not learnt:
        return None
    versions = Versions(store, models.enhanced)
    states: dict[str, UserState] = {}
    usual = Feedback(alert_rates=models.feedback.alert_rates)
    for version, run in groupby(learnt[:-1], key=lambda each: each[1]):
        model = await versions.of(version)
        before = [transaction for transaction, _, status in run if status != "error"]
        await asyncio.to_thread(model.score, before, states, feedback=usual)
    transaction, version, _ = learnt[-1]
    state = states.get(transaction.user_id) or UserState()
    feedback = replace(models.feedback, tolerated={})
    return await asyncio.to_thread(counterfactual, transaction, state, await versions.of(version), feedback)
