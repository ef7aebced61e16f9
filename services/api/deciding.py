"""Triage over HTTP: decide, take back, look up."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from domain.triage import MAX_AT_ONCE, MAX_NOTE, Triage, TriageEvent, TriageStatus, Undone
from services.api.endpoint import Endpoint, Sources, filter_of
from services.api.lists import FilterText, Ident, TransactionQuestion
from services.api.problems import Problem


class TriageQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision on these transactions. `status` null keeps each one's status, `note` null keeps the note.

    `until` ends a snooze, which needs it, or the leniency of a false positive.
    """

    ids: Annotated[tuple[Ident, ...], msgspec.Meta(min_length=1, max_length=MAX_AT_ONCE)]
    status: TriageStatus | None = None
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    note: Annotated[str, msgspec.Meta(max_length=MAX_NOTE)] | None = None


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What was written to the triage log, and the ids that were passed over.

    `unknown` are not stored, `unchanged` had this very decision before. `step` is null where nothing was to do.
    """

    at: datetime
    step: int | None
    events: tuple[TriageEvent, ...]
    unknown: tuple[str, ...]
    unchanged: tuple[str, ...]


async def decide(sources: Sources, asked: TriageQuestion, by: str) -> Decided:
    """Decide on transactions in one step."""
    if asked.status is None and asked.note is None:
        raise Problem(422, "there is neither a status nor a note")
    ids = tuple(dict.fromkeys(asked.ids))
    try:
        decision = await sources.port.decide(ids, asked.status, asked.until, asked.note, by=by)
    except ValueError as error:
        raise Problem(422, str(error)) from error
    return Decided(
        at=datetime.now(UTC),
        step=decision.step,
        events=decision.events,
        unknown=decision.unknown,
        unchanged=decision.unchanged,
    )


class MatchingQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter."""

    q: FilterText = ""


class MatchingOpen(msgspec.Struct, frozen=True, kw_only=True):
    """The newest of the anomalies that match, as many as can be decided on at once, and how many there are.

    They are the open ones, unless the filter is about triage itself: then that says which.
    """

    at: datetime
    ids: tuple[str, ...]
    matches: int


async def matching(sources: Sources, asked: MatchingQuestion, by: str) -> MatchingOpen:
    """The open anomalies that match, or those of the triage that `q` names, to be decided on in one step."""
    wanted = filter_of(sources, asked.q)
    ids = await sources.port.matching(wanted, MAX_AT_ONCE)
    matches = len(ids) if len(ids) < MAX_AT_ONCE else await sources.port.count_matching(wanted)
    return MatchingOpen(at=datetime.now(UTC), ids=ids, matches=matches)


class UndoQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which step; null is the caller's last one that still stands."""

    step: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] | None = None


class TakenBack(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken back, null when there is nothing to take back."""

    at: datetime
    undone: Undone | None


async def undo(sources: Sources, asked: UndoQuestion, by: str) -> TakenBack:
    """Take back a step, except what has been decided again since."""
    return TakenBack(at=datetime.now(UTC), undone=await sources.port.undo(by, asked.step))


class TriageOf(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a transaction, null before the first, and all that was done to it, newest first."""

    at: datetime
    triage: Triage | None
    log: tuple[TriageEvent, ...]


async def triage(sources: Sources, asked: TransactionQuestion, by: str) -> TriageOf:
    """The decision on one transaction."""
    found = await sources.port.triage_of((asked.transaction_id,))
    log = await sources.port.triage_log(asked.transaction_id)
    return TriageOf(at=datetime.now(UTC), triage=found.get(asked.transaction_id), log=log)


ENDPOINTS = (
    Endpoint("POST", "/api/triage", "Decide on transactions", TriageQuestion, Decided, decide),
    Endpoint("GET", "/api/open-anomalies", "The open ones that match, by id", MatchingQuestion, MatchingOpen, matching),
    Endpoint("POST", "/api/triage/undo", "Take a decision back", UndoQuestion, TakenBack, undo),
    Endpoint("GET", "/api/triage/{transaction_id}", "The decision on one", TransactionQuestion, TriageOf, triage),
)
