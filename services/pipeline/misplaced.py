"""Whether records are keyed by their user."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from services.pipeline.scoring import Decoded, Record


class Misplaced(NamedTuple):
    """A record whose key is not its user."""

    partition: int
    offset: int
    user: str
    key: bytes | None


def misplaced(partition: int, records: Sequence[Record], decoded: Decoded) -> Misplaced | None:
    """The first of the transactions among these records whose key is not its user."""
    users = decoded.values["user_id"]
    if [record.key for record in records] == [user.encode(errors="replace") for user in users]:
        return None
    keys = {record.offset: record.key for record in records}
    for record, user in zip(decoded.transactions, users, strict=True):
        key = keys[record.offset]
        if not is_key_of(key, user):
            return Misplaced(partition, record.offset, user, key)
    return None


def is_key_of(key: bytes | None, user: str) -> bool:
    """Whether a record's key is the user's id: as text, or as a JSON string."""
    return key is not None and (key == user.encode(errors="replace") or key == msgspec.json.encode(user))
