"""What re-keying decides by itself: keys, partitions, repeats, and what is behind."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from domain.transaction import Transaction
from services.pipeline.misplaced import is_key_of
from services.pipeline.origins import Origins, source_of
from services.pipeline.routing import Route, partition_of, router
from services.records import wire
from services.records.mapping import Mapping
from services.store.rekeying import behind, place_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAID = Transaction(transaction_id="t-1", user_id="u-1", amount=Decimal(1), currency="EUR", timestamp=AT)


class Record(NamedTuple):
    offset: int
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = b""


def copied(offset: int, partition: int, source: int, incarnation: int = 1) -> Record:
    return Record(offset, (("other", b"1"), source_of(partition, incarnation, source)))


@pytest.mark.parametrize("key", [b"u-7", b'"u-7"'])
def test_a_key_may_be_the_user_as_text_or_json(key: bytes) -> None:
    assert is_key_of(key, "u-7")


@pytest.mark.parametrize("key", [None, b"", b"u-8", b"card-7", b"\x00u-7"])
def test_any_other_key_is_not_the_users(key: bytes | None) -> None:
    assert not is_key_of(key, "u-7")


def test_user_and_time_are_found_in_our_own_shape_and_through_a_mapping() -> None:
    value = wire.encode(PAID)
    assert router(None)(value, None) == Route("u-1", AT.timestamp())
    # The time has a name of its own, so that the quick way does not find it.
    foreign = value.replace(b'"user_id"', b'"customer"')
    assert router(Mapping(fields={"user_id": "customer"}))(foreign, None) == Route("u-1", AT.timestamp())


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"user_id": 7}', b'{"user_id": "u"}', b"\xff"])
def test_what_is_no_transaction_has_no_route(value: bytes | None) -> None:
    assert router(None)(value, None) is None


def test_users_are_spread_evenly_and_always_in_the_same_way() -> None:
    assert [partition_of(b"u-%04d" % number, 8) for number in range(8)] == [2, 4, 6, 0, 3, 5, 7, 1]
    counts = Counter(partition_of(b"u-%04d" % number, 8) for number in range(8_000))
    assert len(counts) == 8
    assert max(counts.values()) < 1.2 * min(counts.values())


def test_a_record_below_the_next_offset_of_its_source_is_a_repeat() -> None:
    origins = Origins("original", [0, place_of(1, 5)])
    fresh, origin = origins.without_repeats([copied(10, 1, 4), copied(11, 1, 5), copied(12, 0, 3), copied(13, 1, 5)])
    assert [record.offset for record in fresh] == [11, 12]
    assert list(origin.sources) == [place_of(1, 4), place_of(1, 6)]
    assert origin.places == {11: (1, 1, 5), 12: (0, 1, 3)}


def test_a_topic_made_again_begins_with_records_that_are_no_repeats() -> None:
    origins = Origins("original", [place_of(1, 90)])
    fresh, _ = origins.without_repeats([copied(0, 0, 0, incarnation=2), copied(1, 0, 50, incarnation=1)])
    assert [record.offset for record in fresh] == [0]


def test_what_was_not_stored_is_no_repeat_when_it_is_tried_again() -> None:
    origins = Origins("original", [])
    records = [copied(0, 2, 0), copied(1, 2, 7)]
    origins.without_repeats(records)
    fresh, origin = origins.without_repeats(records)
    assert len(fresh) == 2
    origins.stored(origin)
    assert origins.without_repeats(records)[0] == []


def test_a_record_of_somebody_else_in_the_copy_is_taken_as_it_is() -> None:
    fresh, origin = Origins("original", []).without_repeats([Record(3)])
    assert len(fresh) == 1
    assert origin.places == {}


def position(topic: str, partition: int, next_offset: int, **more: Any) -> dict[str, Any]:
    row = {"topic": topic, "partition": partition, "next_offset": next_offset, "incarnation": 1}
    return {**row, "rekeyed": False, "delivered": [], "sources": [], **more}


def original(partition: int, next_offset: int, *delivered: int) -> dict[str, Any]:
    return position("t", partition, next_offset, rekeyed=True, delivered=list(delivered))


def copy(partition: int, next_offset: int, *sources: int) -> dict[str, Any]:
    return position("t-by-user", partition, next_offset, sources=[place_of(1, offset) for offset in sources])


def test_what_is_behind_without_re_keying_is_what_lies_before_the_ends() -> None:
    assert behind([position("t", 0, 7)], "t", {0: 10, 1: 5}) == 8
    assert behind([position("t", 0, 10), position("t", 1, 9)], "t", {0: 10, 1: 5}) == 0


def test_what_is_behind_counts_both_hops() -> None:
    assert behind([original(0, 7, 4, 3), copy(0, 2, 3), copy(1, 3, 7)], "t", {0: 10}) == 3 + 2
    assert behind([original(0, 10, 6, 4), copy(0, 6, 9), copy(1, 3, 7)], "t", {0: 10}) == 1
    assert behind([original(0, 10, 6, 4), copy(0, 6, 9), copy(1, 4, 10)], "t", {0: 10}) == 0


def test_what_comes_behind_the_ends_does_not_keep_them_waiting() -> None:
    rows = [original(0, 90, 60, 30), copy(0, 40, 55), copy(1, 9, 31)]
    assert behind(rows, "t", {0: 30}) == 0
    assert behind(rows, "t", {0: 32}) > 0


def test_a_partition_of_the_copy_that_nobody_opened_yet_is_behind() -> None:
    assert behind([original(0, 10, 6, 4), copy(0, 6, 10)], "t", {0: 10}) == 4
