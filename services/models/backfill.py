"""Judges afterwards what was stored before the first fit, so that no transaction stays without a real verdict."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import groupby

import msgspec

from detectors.feedback import Feedback
from detectors.formats import STATE_VERSION
from detectors.inputs import inputs_of
from detectors.models import Models
from detectors.state import UserState, encode_all
from domain.transaction import Transaction
from domain.verdict import Verdict
from services.models.versions import Versions
from services.pipeline.scoring import by_basic, by_enhanced
from services.store.backfill import Earlier, Judgement
from services.store.store import Store


def backfilled(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """These verdicts, marked as given afterwards."""
    return tuple(
        msgspec.structs.replace(verdict, status="backfilled") if verdict.status == "ok" else verdict
        for verdict in verdicts
    )


async def backfill(
    store: Store,
    owner: str,
    models: Models,
    alert_rates: Mapping[str, float],
    judged: Callable[[list[tuple[Transaction, Verdict]]], None],
) -> None:
    """Judge all verdicts that were given while warming up again, by `models`, and build those users' profiles again.

    A user's transactions are judged in the order they were stored in, each before the profile learns it, as if the
    models had been there from the beginning. What is stored is handed to `judged`. See `Backfill.step` for what must
    hold meanwhile. Raises: `faults` errors; what was stored by then stays.
    """
    detectors = tuple(models.detectors)
    scoring = _Scoring(store, models, Feedback(alert_rates=dict(alert_rates)))
    while verdicts := await store.backfill.step(owner, detectors, scoring.judge):
        judged(verdicts)


class _Scoring:
    def __init__(self, store: Store, models: Models, feedback: Feedback) -> None:
        self._models = models
        self._feedback = feedback
        self._versions = Versions(store, models.enhanced) if models.enhanced is not None else None

    async def judge(self, history: list[Earlier]) -> Judgement:
        verdicts = await asyncio.to_thread(self._by_basic, [each for each in history if "basic" in each.waiting])
        states: dict[str, UserState] = {}
        if self._models.enhanced is not None:
            for version, run in groupby(history, key=_version):
                earlier = [each for each in run if each.status != "error"]
                verdicts += await self._by_enhanced(version, earlier, states)
        return Judgement(
            verdicts,
            encode_all(states),
            {user: state.flagged for user, state in states.items()},
            STATE_VERSION,
            self._models.enhanced.version if self._models.enhanced is not None else "",
        )

    def _by_basic(self, waiting: list[Earlier]) -> list[tuple[Transaction, Verdict]]:
        if self._models.basic is None:
            return []
        transactions = [each.transaction for each in waiting]
        given = by_basic(self._models.basic, transactions, inputs_of(transactions))
        return list(zip(transactions, backfilled(tuple(given)), strict=True))

    async def _by_enhanced(
        self, version: str | None, earlier: list[Earlier], states: dict[str, UserState]
    ) -> list[tuple[Transaction, Verdict]]:
        assert self._versions is not None
        assert self._models.enhanced is not None
        waits = version == _WAITING
        model = self._models.enhanced if waits else await self._versions.of(version)
        transactions = [each.transaction for each in earlier]
        before = encode_all({each.user_id: states[each.user_id] for each in transactions if each.user_id in states})
        given, after = await asyncio.to_thread(
            by_enhanced, model, transactions, inputs_of(transactions), self._feedback, before, {}
        )
        after.give(states)
        return list(zip(transactions, backfilled(tuple(given)), strict=True)) if waits else []


_WAITING = "to be judged"


def _version(earlier: Earlier) -> str | None:
    return _WAITING if "enhanced" in earlier.waiting else earlier.model_version
