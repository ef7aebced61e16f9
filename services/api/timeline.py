"""What happened until now: changes, the course of the figures, and the log."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from domain.engine import LogLine
from domain.timeline import MOST_EVENTS, TimelineEvent
from services.api.course import EVERY, CoursePoint
from services.api.endpoint import Endpoint, Sources
from services.api.overview import NoQuestion
from services.api.problems import Problem

MOST_LINES = 1_000


class EventsQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events later than `since`, a time with its zone, at most `limit`."""

    # As a time, msgspec would also take a number for it.
    since: Annotated[str, msgspec.Meta(max_length=40, extra_json_schema={"format": "date-time"})] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_EVENTS)] = 200


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, newest first."""

    at: datetime
    events: tuple[TimelineEvent, ...]


async def events(sources: Sources, asked: EventsQuestion, by: str) -> Events:
    """The timeline: restarts, outages, fits, rebalances, losses and decisions, newest first."""
    since = None if asked.since is None else _time(asked.since)
    return Events(at=datetime.now(UTC), events=await sources.port.events(since, asked.limit))


def _time(text: str) -> datetime:
    """Raises Problem."""
    try:
        found: datetime = msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError as error:
        raise Problem(422, "since: write a time with its zone, such as 2026-03-01T12:00:00Z") from error
    return found


class CourseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A point each `every` seconds of the last hour in which this engine ran, oldest first."""

    at: datetime
    every: float
    points: tuple[CoursePoint, ...]


async def course(sources: Sources, asked: NoQuestion, by: str) -> CourseAnswer:
    """Rate, latency and lag over the last hour."""
    return CourseAnswer(at=datetime.now(UTC), every=EVERY.total_seconds(), points=sources.course.points)


class LogsQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many lines."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_LINES)] = 200


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the log, oldest first."""

    at: datetime
    lines: tuple[LogLine, ...]


async def logs(sources: Sources, asked: LogsQuestion, by: str) -> Logs:
    """The newest lines of the engine's log, oldest first, without secrets."""
    return Logs(at=datetime.now(UTC), lines=sources.port.logs(asked.limit))


ENDPOINTS = (
    Endpoint("GET", "/api/events", "What changed, newest first", EventsQuestion, Events, events),
    Endpoint("GET", "/api/course", "Rate, latency and lag over the last hour", NoQuestion, CourseAnswer, course),
    Endpoint("GET", "/api/logs", "The newest lines of the log", LogsQuestion, Logs, logs),
)
