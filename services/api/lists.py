"""Transactions, anomalies, users and dead letters: a page at a time, or one of them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

import msgspec

from domain.engine import DeadLetter
from domain.filters import Filter, of_triage, of_user
from domain.profile import ProfileView, UserOrder, UserSummary
from domain.triage import TriageEvent
from domain.verdict import Counterfactual, ScoredTransaction, urgency
from services.api.endpoint import EncodedRow, Endpoint, Sources, encoded, filter_of
from services.api.pages import cursor_of, dead_cursor_of, dead_place_of, position_of, ranked_of
from services.api.problems import Problem
from services.store.pages import LATEST, NEWEST, WORST, Position, Ranked

MAX_LIMIT = 200
ANOMALIES_OF_USER = 10

Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT, description="At most so many rows.")]
FilterText = Annotated[str, msgspec.Meta(description="A filter, as the console has it: amount>500 country!=FR")]
Cursor = Annotated[
    str, msgspec.Meta(pattern="^[A-Za-z0-9_-]*$", max_length=24_000, description="`next` of the page before.")
]
Ident = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Severities = Annotated[
    str,
    msgspec.Meta(
        pattern="^((normal|unusual|suspicious|critical)(,(normal|unusual|suspicious|critical)){0,3})?$",
        description="Severities of the leading verdict, such as suspicious,critical. Empty: all.",
    ),
]
StatusChoice = Annotated[
    Literal["open", "acknowledged", "confirmed", "false_positive", "snoozed", "over_budget", "all"],
    msgspec.Meta(description="Of which triage, unless the filter is about triage itself: then that says which."),
]
Place = TypeVar("Place")


class TransactionsQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of the transactions that match `q`."""

    q: FilterText = ""
    limit: Limit = 50
    cursor: Cursor = ""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Rows in the order asked for. `next` is the cursor of the next page, null at the end.

    A stream that is asked to go on `after` this one misses nothing that was stored since.
    """

    at: datetime
    rows: tuple[EncodedRow, ...]
    next: str | None
    after: str


async def transactions(sources: Sources, asked: TransactionsQuestion, by: str) -> Page:
    """Stored transactions, newest first."""
    wanted, start = filter_of(sources, asked.q), _place(asked.cursor, position_of, NEWEST)
    after = str(sources.hub.mark)
    rows = await sources.store.pages.transactions(wanted, start, asked.limit + 1)
    return _page(rows, asked.limit, after, position_of_row)


class TransactionQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which transaction."""

    transaction_id: Ident


class OneTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction, and what was done to it, newest first."""

    at: datetime
    row: EncodedRow
    triage_log: tuple[TriageEvent, ...]


async def transaction(sources: Sources, asked: TransactionQuestion, by: str) -> OneTransaction:
    """One transaction with its verdicts, reasons and triage."""
    row = await sources.store.pages.transaction(asked.transaction_id)
    if row is None:
        raise Problem(404, f"no transaction {asked.transaction_id} is stored")
    log = await sources.port.triage_log(asked.transaction_id)
    return OneTransaction(at=datetime.now(UTC), row=encoded(row), triage_log=log)


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest change of one field with which it would not have been flagged; null where there is none."""

    at: datetime
    counterfactual: Counterfactual | None


async def explanation(sources: Sources, asked: TransactionQuestion, by: str) -> Explanation:
    """What would have had to be different; it is computed each time it is asked for."""
    found = await sources.port.explain(asked.transaction_id)
    return Explanation(at=datetime.now(UTC), counterfactual=found)


class AnomaliesQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of the flagged transactions that match `q`, of which triage and of which severities."""

    q: FilterText = ""
    status: StatusChoice = "all"
    severity: Severities = ""
    sort: Literal["time", "score"] = "time"
    limit: Limit = 50
    cursor: Cursor = ""


async def anomalies(sources: Sources, asked: AnomaliesQuestion, by: str) -> Page:
    """Stored anomalies, newest first or worst first."""
    wanted = of_status(sources, filter_of(sources, asked.q), asked.status)
    if asked.severity:
        wanted &= filter_of(sources, f"severity:{asked.severity}")
    after = str(sources.hub.mark)
    if asked.sort == "time":
        start = _place(asked.cursor, position_of, NEWEST)
        rows = await sources.store.pages.anomalies(wanted, start, asked.limit + 1)
        return _page(rows, asked.limit, after, position_of_row)
    worst = _place(asked.cursor, ranked_of, WORST)
    rows = await sources.store.pages.anomalies_by_urgency(wanted, worst, asked.limit + 1)
    return _page(rows, asked.limit, after, _rank)


def of_status(sources: Sources, wanted: Filter, status: StatusChoice) -> Filter:
    """What a filter finds of one triage status, unless it says itself of which."""
    return wanted if status == "all" else of_triage(wanted, status, sources.now)


class UsersQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Users whose id begins with `prefix`, or who have a transaction that matches `q`."""

    q: FilterText = ""
    prefix: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    order: UserOrder = "flagged"
    limit: Limit = 50


class UsersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Users in the order asked for; `more` says that there are others beyond the limit."""

    at: datetime
    users: tuple[UserSummary, ...]
    more: bool


async def users(sources: Sources, asked: UsersQuestion, by: str) -> UsersAnswer:
    """Users with a profile."""
    if asked.q and asked.prefix:
        raise Problem(422, "ask by q or by prefix, not by both")
    found = await sources.port.users(asked.order, asked.limit, asked.prefix, filter_of(sources, asked.q))
    return UsersAnswer(at=datetime.now(UTC), users=found.users, more=found.more)


class UserQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which user."""

    user_id: Ident


class OneUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user's profile and newest anomalies."""

    at: datetime
    profile: ProfileView
    anomalies: tuple[EncodedRow, ...]


async def user(sources: Sources, asked: UserQuestion, by: str) -> OneUser:
    """One user's habits, and the last anomalies."""
    profile = await sources.port.profile(asked.user_id)
    if profile is None:
        raise Problem(404, f"user {asked.user_id} has no profile")
    rows = await sources.port.history(of_user(asked.user_id) & filter_of(sources, "is:flagged"), ANOMALIES_OF_USER)
    return OneUser(at=datetime.now(UTC), profile=profile, anomalies=tuple(map(encoded, rows)))


class DeadLettersQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of the dead letters."""

    limit: Limit = 50
    cursor: Cursor = ""


class DeadLettersPage(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters, newest first; `next` is the cursor of the next page, null at the end."""

    at: datetime
    rows: tuple[DeadLetter, ...]
    next: str | None


async def dead_letters(sources: Sources, asked: DeadLettersQuestion, by: str) -> DeadLettersPage:
    """Records that could not become transactions, newest first."""
    start = _place(asked.cursor, dead_place_of, LATEST)
    found = await sources.store.pages.dead_letters(start, asked.limit + 1)
    shown = found[: asked.limit]
    return DeadLettersPage(
        at=datetime.now(UTC),
        rows=tuple(letter for _, letter in shown),
        next=dead_cursor_of(shown[-1][0]) if len(found) > len(shown) else None,
    )


def _place(cursor: str, read: Callable[[str], Place], first: Place) -> Place:
    if not cursor:
        return first
    try:
        return read(cursor)
    except ValueError as error:
        raise Problem(422, f"cursor: this is no cursor of this list ({error})") from error


def _page(
    rows: tuple[ScoredTransaction, ...],
    limit: int,
    after: str,
    place: Callable[[ScoredTransaction], Position | Ranked],
) -> Page:
    """A page of `limit` rows, from which one more was asked for to know whether it is the last."""
    shown = rows[:limit]
    return Page(
        at=datetime.now(UTC),
        rows=tuple(map(encoded, shown)),
        next=cursor_of(place(shown[-1])) if len(rows) > limit else None,
        after=after,
    )


def position_of_row(row: ScoredTransaction) -> Position:
    """Where a row stands in a list by time."""
    return Position(row.transaction.timestamp, row.transaction.transaction_id)


def _rank(row: ScoredTransaction) -> Ranked:
    assert row.headline is not None
    return Ranked(urgency(row.headline.score), *position_of_row(row))


ENDPOINTS = (
    Endpoint("GET", "/api/transactions", "A page of stored transactions", TransactionsQuestion, Page, transactions),
    Endpoint(
        "GET",
        "/api/transactions/{transaction_id}",
        "One transaction",
        TransactionQuestion,
        OneTransaction,
        transaction,
        problems=(404,),
    ),
    Endpoint(
        "GET",
        "/api/explanations/{transaction_id}",
        "What would not have been flagged",
        TransactionQuestion,
        Explanation,
        explanation,
    ),
    Endpoint("GET", "/api/anomalies", "A page of stored anomalies", AnomaliesQuestion, Page, anomalies),
    Endpoint("GET", "/api/users", "Users with a profile", UsersQuestion, UsersAnswer, users),
    Endpoint("GET", "/api/users/{user_id}", "One user", UserQuestion, OneUser, user, problems=(404,)),
    Endpoint("GET", "/api/dead-letters", "A page of dead letters", DeadLettersQuestion, DeadLettersPage, dead_letters),
)
