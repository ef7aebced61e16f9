"""What the store says of users, thresholds and quality."""

from datetime import timedelta

import pytest

from domain.filters import of_user, parse
from domain.quality import KindRecall
from domain.transaction import GroundTruth
from services.store.faults import Transient
from services.store.store import Store
from tests.storing import AT, committed, stored, verdict

ODD = 'ü "%_\\'


@pytest.fixture
async def peopled(store: Store) -> Store:
    rows = (stored(1, "u-3"), stored(2, "u-1", enhanced=True), stored(3, "u-2"), stored(4, ODD), stored(5, "u-10"))
    await committed(store, rows, {"u-1": 4, "u-10": 9, ODD: 1})
    return store


async def names(store: Store, order: str, limit: int = 10, **asked: object) -> list[str]:
    return [user for user, _ in await store.users.listed(order, limit, 1, **asked)]  # type: ignore[arg-type]


async def test_users_come_in_the_order_asked_for(peopled: Store) -> None:
    assert await names(peopled, "flagged") == ["u-10", "u-1", ODD, "u-2", "u-3"]
    assert await names(peopled, "last") == ["u-10", ODD, "u-2", "u-1", "u-3"]
    assert await names(peopled, "id") == ["u-1", "u-10", "u-2", "u-3", ODD]
    assert await names(peopled, "flagged", 2) == ["u-10", "u-1"]
    assert (await peopled.users.listed("id", 1, 1)) == [("u-1", b"state of u-1")]
    assert await peopled.users.listed("id", 1, 0) == [], "states of a newer version are not shown"


async def test_a_prefix_is_taken_letter_for_letter(peopled: Store) -> None:
    for order in ("flagged", "last", "id"):
        assert set(await names(peopled, order, prefix="u-1")) == {"u-1", "u-10"}
        assert await names(peopled, order, prefix="ü ") == [ODD]
        assert await names(peopled, order, prefix="U") == []
        assert await names(peopled, order, prefix="%") == []


async def test_a_filter_lets_through_users_with_a_transaction_that_matches(peopled: Store) -> None:
    assert await names(peopled, "id", filter=parse("country:MT")) == ["u-10", "u-2", "u-3"]
    assert await names(peopled, "last", filter=parse("amount>20")) == ["u-10", ODD, "u-2"]
    assert await names(peopled, "flagged", filter=parse("is:flagged | amount<=10")) == ["u-1", "u-3"]
    assert await names(peopled, "id", filter=of_user(ODD)) == [ODD]


async def test_users_of_old_transactions_follow_those_seen_last(peopled: Store, monkeypatch) -> None:
    monkeypatch.setattr("services.store.users.NEWEST", 2)
    assert await names(peopled, "last") == ["u-10", ODD, "u-1", "u-2", "u-3"]
    assert await names(peopled, "last", 3) == ["u-10", ODD, "u-1"]


async def test_a_list_that_takes_too_long_is_given_up_with_advice(peopled: Store, monkeypatch) -> None:
    monkeypatch.setattr("services.store.users.ANSWER_WITHIN", 0.05)
    async with peopled.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE profiles IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Transient, match="since:1d"):
            await peopled.users.listed("id", 10, 1)
    assert len(await names(peopled, "id")) == 5


async def test_flagged_follows_the_newest_batch_and_a_rebuild(peopled: Store) -> None:
    await committed(peopled, (stored(6, "u-3", enhanced=True),), {"u-3": 50})
    assert (await names(peopled, "flagged", 1)) == ["u-3"]
    await peopled.save_profiles({"u-2": b"rebuilt"}, {"u-2": 99}, 1, "2")
    assert await peopled.users.listed("flagged", 1, 1) == [("u-2", b"rebuilt")]


async def test_thresholds_are_the_users_own_newest_ones_oldest_first(store: Store) -> None:
    await committed(store, tuple(stored(number, f"u-{number % 2}") for number in range(1, 9)), {})
    found = await store.users.thresholds("u-0", 3)
    assert [entry.at for entry in found] == [AT + timedelta(minutes=number) for number in (4, 6, 8)]
    assert [round(entry.threshold, 3) for entry in found] == [0.704, 0.706, 0.708]
    assert await store.users.thresholds("u-9", 3) == []


async def test_quality_compares_verdicts_with_ground_truth(store: Store) -> None:
    spike, hop, normal = GroundTruth(True, "spike"), GroundTruth(True, "hop"), GroundTruth(False)
    rows = (
        stored(1, "u", basic=True, enhanced=True, truth=spike),
        stored(2, "u", enhanced=True, truth=spike),
        stored(3, "u", truth=hop),
        stored(4, "u", basic=True, truth=normal),
        stored(5, "u", truth=normal),
        stored(6, "u", basic=True),
    )
    await committed(store, rows, {})
    basic, enhanced = await store.quality()
    assert (basic.detector, basic.labelled, basic.anomalous, basic.flagged, basic.caught) == ("basic", 5, 3, 2, 1)
    assert (basic.precision, basic.alert_rate) == (0.5, 0.4)
    assert (enhanced.precision, enhanced.recall) == (1.0, pytest.approx(2 / 3))
    assert enhanced.f1 == pytest.approx(0.8)
    assert enhanced.kinds == (KindRecall("spike", 2, 2), KindRecall("hop", 1, 0))
    later, _ = await store.quality(AT + timedelta(minutes=3))
    assert (later.labelled, later.anomalous) == (3, 1)
    assert await store.quality(AT + timedelta(days=1)) == ()


async def test_what_was_scored_while_warming_up_is_no_part_of_quality(store: Store) -> None:
    row = stored(1, "u", truth=GroundTruth(True, "spike"))
    warming = row._replace(verdicts=(verdict("enhanced", False, status="warming"), row.verdicts[0]))
    await committed(store, (warming,), {})
    (only,) = await store.quality()
    assert only.detector == "basic"
