"""What `stats` says of topics that are re-keyed."""

from typing import Any

import msgspec

from domain.engine import Rekeying
from services.commands.data import rekeying_of, rekeying_text

PROGRESS = [
    {"topic": "payments", "rekeyed": True, "copy": "payments-by-user"},
    {"topic": "payments-by-user", "rekeyed": False, "copy": ""},
]


def engine(**figures: Any) -> dict[str, Any]:
    return {"rekeying": msgspec.structs.asdict(Rekeying(topic="payments", through="payments-by-user", **figures))}


def test_the_engine_that_copies_tells_and_all_tell_their_repeats() -> None:
    busy = engine(active=True, rate=4_000.0, cost_us=12.4, lag=70, repeats=2)
    for engines in (
        [busy, engine(repeats=3)],
        [engine(repeats=3), busy],
        [engine(repeats=3), busy, {"rekeying": None}],
    ):
        (found,) = rekeying_of(engines, PROGRESS)
        assert found["repeats"] == 5
        assert rekeying_text(found) == "payments through payments-by-user: 4,000 records/s, 12 us each, 70 to go"


def test_that_a_topic_is_re_keyed_is_told_while_no_engine_runs() -> None:
    (found,) = rekeying_of([], PROGRESS)
    assert rekeying_text(found) == "payments through payments-by-user: no engine does it now"


def test_a_topic_that_is_read_as_it_is_is_not_told_of() -> None:
    assert rekeying_of([{"rekeying": None}], [{"topic": "payments", "rekeyed": False}]) == []
