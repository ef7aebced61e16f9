"""What is asked about users: lists of them, and how their thresholds moved."""

from collections.abc import Sequence
from typing import Any

from domain.filters import EVERYTHING, Filter
from domain.profile import ThresholdAt, UserOrder
from services.store import queries
from services.store.faults import Transient, translated

ANSWER_WITHIN = 5.0
"""Statement timeout in seconds: a console repeats its question, so an old one need not be answered."""

NEWEST = 5_000
"""Transactions looked through for who was seen last, and matching ones for whom a filter lets through."""

_LAST_CHARACTER = "\U0010ffff"
_BY = {"id": queries.USERS_BY_ID, "flagged": queries.USERS_BY_FLAGGED, "last": queries.USERS_BY_LAST}

Encoded = tuple[str, bytes]
"""A user id and the committed state."""


class Users:
    """Queries on a pool; every method raises `faults` errors only."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def listed(
        self, order: UserOrder, limit: int, state_version: int, *, prefix: str = "", filter: Filter = EVERYTHING
    ) -> list[Encoded]:
        """At most `limit` users whose id begins with `prefix` and who have a transaction that matches `filter`.

        Neither reads more than `limit` profiles and `NEWEST` (matching) transactions, however many are stored. Users of
        older transactions follow those seen last by id, and those without flagged ones follow the others.
        """
        if filter is not EVERYTHING:
            where, parameters = filter.to_sql()
            names = ("version", "newest", "limit")
            places = {name: f"${len(parameters) + number}" for number, name in enumerate(names, start=1)}
            query = queries.USERS_MATCHING.format(where=where, order=queries.USER_ORDERS[order], **places)
            return await self._fetch(query, *parameters, state_version, NEWEST, limit)
        within, bounds = (queries.USERS_WITHIN, (prefix, prefix + _LAST_CHARACTER)) if prefix else ("", ())
        found = await self._fetch(_BY[order].format(within=within, newest=NEWEST), state_version, limit, *bounds)
        if order != "id" and len(found) < limit:
            known = {user for user, _ in found}
            others = await self._fetch(_BY["id"].format(within=within), state_version, limit, *bounds)
            found += [(user, state) for user, state in others if user not in known]
        return found[:limit]

    async def thresholds(self, user_id: str, newest: int) -> Sequence[ThresholdAt]:
        """The enhanced detector's thresholds at the user's `newest` transactions, oldest first."""
        rows = await self._fetch(queries.THRESHOLDS, user_id, newest)
        return [ThresholdAt(at, threshold) for at, threshold in rows]

    async def _fetch(self, query: str, *parameters: Any) -> list[Any]:
        with translated():
            try:
                return [tuple(row) for row in await self._pool.fetch(query, *parameters, timeout=ANSWER_WITHIN)]
            except TimeoutError as error:
                raise Transient(
                    f"PostgreSQL took longer than {ANSWER_WITHIN:g} s; a filter with since:1d reads less"
                ) from error
