"""What many rows have in common and is kept once: versions of models, and reasons told in a word or two."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from domain.verdict import Verdict

VERSIONS = "SELECT version AS word, key FROM model_versions WHERE version = ANY($1::text[])"
BRIEFS = "SELECT lines AS word, key FROM brief_reasons WHERE lines = ANY($1::text[])"

# Numbers them on behind the last: a sequence would also count what is rolled back, and keys are short.
ADD_VERSIONS = """
INSERT INTO model_versions SELECT (SELECT coalesce(max(key), 0) FROM model_versions) + number, word
FROM unnest($1::text[]) WITH ORDINALITY AS x (word, number) RETURNING version AS word, key
"""
ADD_BRIEFS = """
INSERT INTO brief_reasons SELECT (SELECT coalesce(max(key), 0) FROM brief_reasons) + number, word
FROM unnest($1::text[]) WITH ORDINALITY AS x (word, number) RETURNING lines AS word, key
"""
LOCK_VERSIONS = "LOCK TABLE model_versions IN SHARE ROW EXCLUSIVE MODE"
LOCK_BRIEFS = "LOCK TABLE brief_reasons IN SHARE ROW EXCLUSIVE MODE"

_json = msgspec.json.Encoder()
_ROUNDING = 1e-6


class Told(NamedTuple):
    """Reasons as they are stored: `brief` lines, the `first` one's billionths of the score, or all `told` as JSON."""

    brief: str | None
    first: int | None
    told: str | None


Keys = dict[str | None, int | None]
"""Keys by word; None has none."""


async def keys_of_versions(connection: Any, versions: Iterable[str | None]) -> Keys:
    """The keys of versions of models, within the transaction of the rows that name them."""
    return await _keys(connection, versions, VERSIONS, LOCK_VERSIONS, ADD_VERSIONS)


async def keys_of_briefs(connection: Any, lines: Iterable[str | None]) -> Keys:
    """The keys of brief reasons, likewise; after those of the versions, so that two batches lock in the same order."""
    return await _keys(connection, lines, BRIEFS, LOCK_BRIEFS, ADD_BRIEFS)


async def _keys(connection: Any, words: Iterable[str | None], known: str, lock: str, add: str) -> Keys:
    wanted = sorted({word for word in words if word is not None})
    keys: Keys = {None: None}
    if not wanted:
        return keys
    keys.update(await connection.fetch(known, wanted))
    if len(keys) <= len(wanted):
        await connection.execute(lock)
        keys.update(await connection.fetch(known, wanted))
        missing = [word for word in wanted if word not in keys]
        if missing:
            keys.update(await connection.fetch(add, missing))
    return keys


def line_of(first: tuple[str, str], second: tuple[str, str] | None = None) -> str:
    """Brief reasons as they are stored, each of a feature and a factor."""
    line = ":".join(first)
    return line if second is None else f"{line} {':'.join(second)}"


def told(verdict: Verdict) -> Told:
    """How the reasons of a verdict are stored."""
    reasons = verdict.reasons
    if not reasons:
        return Told(None, None, None)
    first = reasons[0]
    if len(reasons) <= 2 and not (first.text or first.observed or first.expected):
        rest = verdict.score - first.contribution
        if len(reasons) == 1:
            if abs(rest) < _ROUNDING:
                return Told(line_of((first.feature, first.factor)), None, None)
        elif not ((second := reasons[1]).text or second.observed or second.expected) and (
            abs(rest - second.contribution) < _ROUNDING
        ):
            lines = line_of((first.feature, first.factor), (second.feature, second.factor))
            return Told(lines, round(first.contribution * 1e9), None)
    return Told(None, None, _json.encode([msgspec.structs.astuple(reason) for reason in reasons]).decode())
