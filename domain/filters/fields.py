"""The fields a filter may name: how each is read from a row, and its column. Nothing else reaches SQL."""

from collections.abc import Callable
from operator import attrgetter

from domain.filters.nodes import Condition, NumberSource, TextSource
from domain.triage import TriageStatus
from domain.verdict import ScoredTransaction, Severity, Verdict


def _text(path: str, column: str) -> TextSource:
    return TextSource(attrgetter(path), f"t.{column}")


_USER = _text("transaction.user_id", "user_id")
_ID = _text("transaction.transaction_id", "transaction_id")._replace(hashed=True)
_MERCHANT_ID = _text("transaction.merchant.id", "merchant_id")
_MERCHANT = _text("transaction.merchant.name", "merchant_name")
_CATEGORY = _text("transaction.merchant.category", "merchant_category")
_COUNTRY = _text("transaction.location.country", "country")
_CITY = _text("transaction.location.city", "city")
_TYPE = _text("transaction.transaction_type", "transaction_type")
_METHOD = _text("transaction.payment_method", "payment_method")
_CURRENCY = _text("transaction.currency", "currency")
_DEVICE_ID = _text("transaction.device.id", "device_id")
_DEVICE_TYPE = _text("transaction.device.type", "device_type")
_DEVICE_IP = _text("transaction.device.ip", "device_ip")


def _kind(row: ScoredTransaction) -> str | None:
    return None if row.truth is None else row.truth.kind


TEXTS: dict[str, tuple[TextSource, ...]] = {
    "user": (_USER,),
    "id": (_ID,),
    "merchant": (_MERCHANT, _MERCHANT_ID, _CATEGORY),
    "category": (_CATEGORY,),
    "country": (_COUNTRY,),
    "city": (_CITY,),
    "type": (_TYPE,),
    "method": (_METHOD,),
    "currency": (_CURRENCY,),
    "device": (_DEVICE_ID, _DEVICE_TYPE),
    "ip": (_DEVICE_IP,),
    "kind": (TextSource(_kind, "g.kind"),),
}
IDENTIFIERS = frozenset({"user", "id"})
"""Compared letter for letter by `=`, so that their indexes serve."""

EVERYWHERE = (_USER, _ID, _MERCHANT, _MERCHANT_ID, _CATEGORY, _CITY, _COUNTRY, _CURRENCY, _TYPE, _METHOD, _DEVICE_ID)
"""Where free text is searched for."""


def _of_verdict(read: Callable[[Verdict], float]) -> Callable[[ScoredTransaction], float | None]:
    def of(row: ScoredTransaction) -> float | None:
        verdict = row.verdict
        return None if verdict is None else read(verdict)

    return of


def _score_by(detector: str) -> Callable[[ScoredTransaction], float | None]:
    def score(row: ScoredTransaction) -> float | None:
        for verdict in row.verdicts:
            if verdict.detector == detector:
                return verdict.score
        return None

    return score


NUMBERS: dict[str, NumberSource] = {
    "amount": NumberSource(attrgetter("transaction.amount"), "t.amount", "numeric"),
    "latitude": NumberSource(attrgetter("transaction.location.latitude"), "t.latitude", "float8"),
    "longitude": NumberSource(attrgetter("transaction.location.longitude"), "t.longitude", "float8"),
    "hour": NumberSource(
        attrgetter("transaction.timestamp.hour"), "extract(hour FROM t.event_time AT TIME ZONE 'UTC')", "numeric"
    ),
    "score": NumberSource(_of_verdict(attrgetter("score")), "coalesce(e.score, b.score)", "float8"),
    "threshold": NumberSource(_of_verdict(attrgetter("threshold")), "coalesce(e.threshold, b.threshold)", "float8"),
    "basic": NumberSource(_score_by("basic"), "b.score", "float8"),
    "enhanced": NumberSource(_score_by("enhanced"), "e.score", "float8"),
}

TIME = NumberSource(attrgetter("transaction.timestamp"), "t.event_time", "timestamptz")


def _severity(row: ScoredTransaction) -> int | None:
    verdict = row.headline
    return None if verdict is None else verdict.severity.rank


SEVERITY = NumberSource(
    _severity,
    """CASE WHEN b.flagged AND NOT coalesce(e.flagged, false)
        THEN CASE WHEN e.status IN ('ok', 'backfilled') THEN greatest(e.severity, 1) ELSE b.severity END
        ELSE coalesce(e.severity, b.severity) END""",
    "smallint",
)
"""As a row is listed: see `ScoredTransaction.headline`."""
SEVERITIES = {severity.value: severity.rank for severity in Severity}


def _any_status(status: str) -> Condition:
    return Condition(
        lambda row: any(verdict.status == status for verdict in row.verdicts),
        f"b.status IS NOT DISTINCT FROM '{status}' OR e.status IS NOT DISTINCT FROM '{status}'",
    )


CONDITIONS: dict[str, Condition] = {
    "flagged": Condition(attrgetter("flagged"), "coalesce(b.flagged, false) OR coalesce(e.flagged, false)"),
    "disagreed": Condition(attrgetter("disagreed"), "b.flagged <> e.flagged"),
    "anomalous": Condition(lambda row: row.truth is not None and row.truth.anomalous, "g.anomalous"),
    "warming": _any_status("warming"),
    "backfilled": _any_status("backfilled"),
    "error": _any_status("error"),
}
"""What `is:` may ask. `anomalous` is ground truth."""

STATUSES = {status.value: status for status in TriageStatus}
"""What `triage:` may ask."""

FIELDS = tuple(sorted([*TEXTS, *NUMBERS, "time", "since", "until", "severity", "why", "is", "triage"]))
