"""What many rows have in common and is kept once: versions of models, and reasons told in a word or two."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from domain.verdict import Verdict

VERSIONS = "SELECT version AS word, key, threshold FROM model_versions WHERE version = ANY($1::text[])"
BRIEFS = "SELECT lines AS word, key FROM brief_reasons WHERE lines = ANY($1::text[])"

# The threshold that a verdict on `t` whose row has none was given by, in billionths.
USUAL_THRESHOLD = "(SELECT threshold FROM model_versions WHERE key = t.{detector}_model)"

# Numbers them on behind the last: a sequence would also count what is rolled back, and keys are short.
ADD_VERSIONS = """
INSERT INTO model_versions (key, version, threshold)
SELECT (SELECT coalesce(max(key), 0) FROM model_versions) + number, word, usual
FROM unnest($1::text[], $2::integer[]) WITH ORDINALITY AS x (word, usual, number)
RETURNING version AS word, key, threshold
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


class Version(NamedTuple):
    """The key of a model's version, and the threshold of verdicts whose row has none, in billionths."""

    key: int
    usual: int | None


Keys = dict[str | None, int | None]
"""Keys by word; None has none."""


async def keys_of_versions(connection: Any, usual: Mapping[str, int]) -> dict[str, Version]:
    """Versions of models, within the transaction of the rows that name them; new ones get this `usual` threshold."""
    found = await _found(connection, usual, VERSIONS, LOCK_VERSIONS, ADD_VERSIONS, usual)
    return {word: Version(key, threshold) for word, key, threshold in found}


async def keys_of_briefs(connection: Any, lines: Iterable[str | None]) -> Keys:
    """The keys of brief reasons, likewise; after those of the versions, so that two batches lock in the same order."""
    words = {word for word in lines if word is not None}
    return {None: None, **dict(await _found(connection, words, BRIEFS, LOCK_BRIEFS, ADD_BRIEFS))}


async def _found(
    connection: Any, words: Iterable[str], known: str, lock: str, add: str, *of: Mapping[str, int]
) -> list[Any]:
    """The rows of all these words; those that are missing are added, with what is `of` each."""
    wanted = sorted(words)
    if not wanted:
        return []
    found = await connection.fetch(known, wanted)
    if len(found) < len(wanted):
        await connection.execute(lock)
        found = await connection.fetch(known, wanted)
        there = {row["word"] for row in found}
        missing = [word for word in wanted if word not in there]
        if missing:
            found += await connection.fetch(add, missing, *([each[word] for word in missing] for each in of))
    return list(found)


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
