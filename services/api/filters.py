"""What a filter that is being typed matches, and how it may go on."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from domain.filters import complete, values_seen
from services.api.endpoint import Endpoint, Sources, filter_of
from services.api.lists import FilterText, StatusChoice, of_status

LOOKED_AT = 5_000
_LEARNT_FROM = 1_000


class FilterQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter, and the list it is for: transactions or anomalies, narrowed by the filter `within` and by triage."""

    q: FilterText = ""
    of: Literal["transactions", "anomalies"] = "transactions"
    within: FilterText = ""
    status: StatusChoice = "all"


class Matching(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the `of` newest ones of the list that are in memory match, and the fields that `q` is about."""

    at: datetime
    matches: int
    of: int
    fields: tuple[str, ...]


async def check(sources: Sources, asked: FilterQuestion, by: str) -> Matching:
    """Whether a filter can be understood, and how many of the newest rows of its list it finds."""
    wanted, within = filter_of(sources, asked.q), filter_of(sources, asked.within)
    narrowed = within if wanted.is_of_triage else of_status(sources, within, asked.status)
    newest = sources.port.feed if asked.of == "transactions" else sources.port.anomalies
    rows = [row for row in newest(0, LOOKED_AT).rows if narrowed.matches(row)]
    matches, fields = sum(map(wanted.matches, rows)), tuple(sorted(wanted.fields))
    return Matching(at=datetime.now(UTC), matches=matches, of=len(rows), fields=fields)


class CompletionsQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter, and where in it the cursor stands, in characters; none is its end."""

    q: FilterText = ""
    position: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | msgspec.UnsetType = msgspec.UNSET


class Completion(msgspec.Struct, frozen=True):
    """`word` in place of the characters from `start` to `end`."""

    word: str
    start: int
    end: int


class Completions(msgspec.Struct, frozen=True, kw_only=True):
    """Ways to go on, the likeliest first."""

    at: datetime
    completions: tuple[Completion, ...]


async def completions(sources: Sources, asked: CompletionsQuestion, by: str) -> Completions:
    """Field names, choices, and values seen lately that may come next."""
    position = len(asked.q) if asked.position is msgspec.UNSET else min(asked.position, len(asked.q))
    found = complete(asked.q, position, lambda field: values_seen(field, sources.port.feed(0, _LEARNT_FROM).rows))
    return Completions(at=datetime.now(UTC), completions=tuple(Completion(*each) for each in found))


ENDPOINTS = (
    Endpoint("GET", "/api/filter", "Check a filter", FilterQuestion, Matching, check),
    Endpoint("GET", "/api/filter/completions", "Complete a filter", CompletionsQuestion, Completions, completions),
)
