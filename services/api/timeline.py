"""What changed while engines ran."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from domain.timeline import MOST_EVENTS, TimelineEvent
from services.api.endpoint import Endpoint, Sources


class EventsQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events later than `since`, at most `limit`."""

    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_EVENTS)] = 200


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, newest first."""

    at: datetime
    events: tuple[TimelineEvent, ...]


async def events(sources: Sources, asked: EventsQuestion, by: str) -> Events:
    """The timeline: restarts, outages, fits, rebalances, losses and decisions, newest first."""
    return Events(at=datetime.now(UTC), events=await sources.port.events(asked.since, asked.limit))


ENDPOINTS = (Endpoint("GET", "/api/events", "What changed, newest first", EventsQuestion, Events, events),)
