"""What lists answer: a page of rows, and the cursor that the next page begins after."""

import base64
import binascii
from datetime import UTC, datetime, timedelta

from services.store.pages import WORST, DeadPlace, Position, Ranked

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BETWEEN = "\n"


def cursor_of(position: Position | Ranked) -> str:
    """A position as opaque text that needs no escaping in a URL."""
    text = f"{_microseconds(position.at)}.{position.ident}"
    return _encoded(f"{position.urgency}/{text}" if isinstance(position, Ranked) else text)


def position_of(cursor: str) -> Position:
    """The position that `cursor_of` wrote. Raises ValueError."""
    microseconds, _, ident = _text_of(cursor).partition(".")
    return Position(_moment(microseconds), ident)


def ranked_of(cursor: str) -> Ranked:
    """Where a page of a list with the worst first begins. Raises ValueError."""
    urgent, _, rest = _text_of(cursor).partition("/")
    microseconds, _, ident = rest.partition(".")
    return Ranked(_urgency(urgent), _moment(microseconds), ident)


def dead_cursor_of(place: DeadPlace) -> str:
    """A dead letter's place as text that may stand in a URL."""
    at = _microseconds(place.stored_at)
    return _encoded(_BETWEEN.join((str(at), place.cluster, place.topic, str(place.partition), str(place.offset))))


def dead_place_of(cursor: str) -> DeadPlace:
    """The place that `dead_cursor_of` wrote. Raises ValueError."""
    microseconds, cluster, topic, partition, offset = _text_of(cursor).split(_BETWEEN)
    return DeadPlace(_moment(microseconds), cluster, topic, int(partition), int(offset))


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _text_of(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("it is none of this list") from error


def _urgency(text: str) -> int:
    urgency = int(text)
    if not 0 <= urgency <= WORST.urgency:
        raise ValueError("it is beyond any score")
    return urgency


def _moment(microseconds: str) -> datetime:
    try:
        return _EPOCH + int(microseconds) * _MICROSECOND
    except OverflowError as error:
        raise ValueError("it is beyond time") from error
