"""What many rows have in common and is kept once: versions of models, and reasons told in a word or two."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from domain.verdict import DETECTORS, DetectorName, Verdict

VERSIONS = """
SELECT version, key, basic_threshold, enhanced_threshold FROM model_versions WHERE version = ANY($1::text[])
"""
BRIEFS = "SELECT lines AS word, key FROM brief_reasons WHERE lines = ANY($1::text[])"

# The threshold that a verdict on `t` whose row has none was given by, in billionths.
USUAL_THRESHOLD = "(SELECT {detector}_threshold FROM model_versions WHERE key = t.{detector}_model)"

# Numbers them on behind the last: a sequence would also count what is rolled back, and keys are short.
ADD_VERSIONS = """
INSERT INTO model_versions AS m (key, version, basic_threshold, enhanced_threshold)
SELECT (SELECT coalesce(max(key), 0) FROM model_versions) + number, version, basic, enhanced
FROM unnest($1::text[], $2::integer[], $3::integer[]) WITH ORDINALITY AS x (version, basic, enhanced, number)
ON CONFLICT (version) DO UPDATE SET basic_threshold = coalesce(m.basic_threshold, EXCLUDED.basic_threshold),
    enhanced_threshold = coalesce(m.enhanced_threshold, EXCLUDED.enhanced_threshold)
RETURNING version, key, basic_threshold, enhanced_threshold
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
    """The key of a model's version, and by detector the threshold of verdicts whose row has none, in billionths."""

    key: int
    usual: Mapping[DetectorName, int | None]


Keys = dict[str | None, int | None]
"""Keys by word; None has none."""


Wanted = Mapping[DetectorName, Collection[str]]
"""By detector the versions of its model."""

Usual = Mapping[DetectorName, Mapping[str, int]]
"""By detector and version of its model the threshold of most of its verdicts, in billionths."""


async def _versions(connection: Any, statement: str, *parameters: Any) -> dict[str, Version]:
    rows = await connection.fetch(statement, *parameters)
    return {version: Version(key, dict(zip(DETECTORS, of, strict=True))) for version, key, *of in rows}


def _lacks(known: Mapping[str, Version], wanted: Wanted) -> bool:
    return any(
        version not in known or known[version].usual[detector] is None
        for detector, versions in wanted.items()
        for version in versions
    )


class KnownKeys:
    """The keys that this process has read, so that a batch does not ask for the same ones as the batch before.

    A key stays what it is until everything is deleted, or the server goes back to an earlier state, for which it drops
    every connection. What a batch added is not known before another one has read it: its transaction may yet fail.
    """

    def __init__(self) -> None:
        self._versions: dict[str, Version] = {}
        self._briefs: Keys = {None: None}

    def forget(self) -> None:
        """Ask PostgreSQL again: with a new connection, and when a term begins."""
        self._versions, self._briefs = {}, {None: None}

    async def of_versions(self, connection: Any, wanted: Wanted, usual: Callable[[], Usual]) -> Mapping[str, Version]:
        """Versions of models, these and others, within the transaction of the rows that name them.

        What is `usual` is asked, and stored, only where a version lacks it.
        """
        if not _lacks(self._versions, wanted):
            return self._versions
        names = sorted({version for of in wanted.values() for version in of})
        self._versions.update(await _versions(connection, VERSIONS, names))
        if not _lacks(self._versions, wanted):
            return self._versions
        await connection.execute(LOCK_VERSIONS)
        known = await _versions(connection, VERSIONS, names)
        if _lacks(known, wanted):
            of = usual()
            thresholds = ([of.get(detector, {}).get(version) for version in names] for detector in DETECTORS)
            known = await _versions(connection, ADD_VERSIONS, names, *thresholds)
        return known

    async def of_briefs(self, connection: Any, lines: Iterable[str | None]) -> Keys:
        """The keys of brief reasons, likewise; after those of versions, so that two batches lock in the same order."""
        wanted = sorted({word for word in lines if word is not None})
        if self._briefs.keys() >= {*wanted}:
            return self._briefs
        self._briefs.update(await connection.fetch(BRIEFS, wanted))
        if self._briefs.keys() >= {*wanted}:
            return self._briefs
        await connection.execute(LOCK_BRIEFS)
        keys: Keys = {None: None}
        keys.update(await connection.fetch(BRIEFS, wanted))
        missing = [word for word in wanted if word not in keys]
        if missing:
            keys.update(await connection.fetch(ADD_BRIEFS, missing))
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
