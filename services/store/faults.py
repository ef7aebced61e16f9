"""The one place where asyncpg's and PostgreSQL's errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from asyncpg.exceptions import InternalClientError
from asyncpg.exceptions._base import DataError  # the client's own: asyncpg.DataError is the server's class 22

from services.errors import PermanentError, reason_of


class StoreError(Exception):
    """Something went wrong in PostgreSQL."""


class Transient(StoreError):
    """PostgreSQL cannot answer now; the same call may succeed later and is tried again for ever."""


class DiskFull(Transient):
    """The server answers, and has no room for what it was given."""


class CommitUnanswered(Transient):
    """A COMMIT got no answer: the transaction of this number may be stored or not, which PostgreSQL can be asked."""

    def __init__(self, transaction: str, reason: str) -> None:
        super().__init__(reason)
        self.transaction = transaction


class BadData(StoreError):
    """PostgreSQL refuses a value; trying again cannot help, the row belongs in the dead letters."""


class DuplicateId(StoreError):
    """Another partition stored the same transaction id meanwhile; look again which ids are known."""


class SchemaMismatch(StoreError):
    """A table, a column or a right is not what this program needs, which is no fault of a record."""


class NewerProfile(StoreError, PermanentError):
    """A newer release wrote the profile of `user` in a way that this one cannot read."""

    def __init__(self, user: str, found: int, known: int) -> None:
        super().__init__(
            f"The profile of user {user!r} has version {found}, this program knows {known}: upgrade anomaly-tui."
        )


class Fenced(StoreError):
    """Another owner took over the partition; this batch must be dropped."""


class Rekeyed(StoreError):
    """The topic is read through its copy that is keyed by user; nobody scores it directly any more."""


class ProfileThere(StoreError):
    """There is a profile by now where there was none; nothing of the batch is stored."""


class ForeignProfile(StoreError):
    """The profile of `user` is of partition `owner` of the same topic: the topic is not keyed by user.

    Nothing of the batch is stored.
    """

    def __init__(self, user: str, owner: int) -> None:
        super().__init__(f"the profile of user {user!r} is of partition {owner}")
        self.user = user
        self.owner = owner


_TRANSIENT = ("08", "40001", "40P01", "53", "57P0", "55P03", "57014", "25P03")
_DISK_FULL = "53100"
_DATA = ("22", "23502", "23514")
_MISMATCH = "42"
# SQLSTATE 23514 too, but a matter of time: the day is created and the batch tried again.
_NO_PARTITION = "no partition of relation"


@contextmanager
def translated() -> Iterator[None]:
    """Turn driver, server and operating-system errors into `Transient`, `DiskFull`, `BadData`, `DuplicateId` or
    `SchemaMismatch`. Errors that are none of these (a bug of ours) pass unchanged.
    """
    try:
        yield
    except StoreError:
        raise
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if state == "23505":
            raise DuplicateId(str(error)) from error
        if state == _DISK_FULL:
            raise DiskFull(str(error)) from error
        if _NO_PARTITION in str(error) or state.startswith(_TRANSIENT):
            raise Transient(str(error)) from error
        if state.startswith(_DATA):
            raise BadData(str(error)) from error
        if state.startswith(_MISMATCH):
            raise SchemaMismatch(str(error)) from error
        raise
    except (DataError, OverflowError, TypeError, UnicodeEncodeError) as error:
        raise BadData(str(error)) from error
    except (OSError, TimeoutError, asyncpg.InterfaceError, InternalClientError) as error:
        raise Transient(reason_of(error)) from error
