"""A profile has one owner, so that two partitions never overwrite what the other learnt."""

from collections.abc import Mapping

import pytest

from services.store.batch import Term, prepare
from services.store.faults import ForeignProfile
from services.store.store import Store
from tests.storing import batch_of


async def opened(store: Store, partition: int, topic: str = "transactions", cluster: str = "c") -> Term:
    opening = await store.open_term(cluster, topic, partition, "a")
    return Term(cluster, topic, partition, opening.epoch)


async def learn(
    store: Store, term: Term, profiles: Mapping[str, bytes], expected: int = 0, new: frozenset[str] = frozenset()
) -> None:
    await store.commit(prepare(batch_of(term, expected, expected + 1, (), (), dict(profiles), new=new)))


async def reached(store: Store) -> dict[int, int]:
    return {row["partition"]: row["next_offset"] for row in await store.progress()}


async def test_a_profile_of_another_partition_is_refused_and_with_it_the_whole_batch(store: Store) -> None:
    await learn(store, await opened(store, 0), {"u-1": b"of 0", "u-2": b"of 0"})
    with pytest.raises(ForeignProfile, match="'u-2' is of partition 0") as refused:
        await learn(store, await opened(store, 1), {"u-2": b"of 1", "u-3": b"of 1"})
    assert (refused.value.user, refused.value.owner) == ("u-2", 0)
    assert await store.profiles(["u-1", "u-2", "u-3"], 1) == {"u-1": b"of 0", "u-2": b"of 0"}
    assert await reached(store) == {0: 1, 1: 0}


async def test_profiles_of_new_users_are_stored_beside_those_that_are_there(store: Store) -> None:
    await learn(store, await opened(store, 0), {"u-1": b"first"}, new=frozenset({"u-1"}))
    again = {"u-2": b"new", "u-1": b"second", "u-0": b"new too"}
    await learn(store, await opened(store, 0), again, 1, frozenset({"u-0", "u-2"}))
    assert await store.profiles(["u-0", "u-1", "u-2"], 1) == again
    assert await reached(store) == {0: 2}


async def test_a_profile_that_somebody_wrote_after_it_was_asked_for_is_whose_it_was(store: Store) -> None:
    await learn(store, await opened(store, 0), {"u-2": b"of 0"})
    with pytest.raises(ForeignProfile, match="'u-2' is of partition 0"):
        await learn(store, await opened(store, 1), {"u-1": b"of 1", "u-2": b"of 1"}, new=frozenset({"u-1", "u-2"}))
    assert await store.profiles(["u-1", "u-2"], 1) == {"u-2": b"of 0"}
    await store.save_profiles({"u-3": b"rebuilt"}, {}, 1, "1")
    await learn(store, await opened(store, 1), {"u-3": b"of 1"}, new=frozenset({"u-3"}))
    assert await store.profile("u-3", 1) == b"of 1"
    assert await reached(store) == {0: 1, 1: 1}


async def test_the_owner_goes_on_writing(store: Store) -> None:
    await learn(store, await opened(store, 3), {"u-1": b"first"})
    await learn(store, await opened(store, 3), {"u-1": b"second"}, expected=1)
    assert await store.profile("u-1", 1) == b"second"


@pytest.mark.parametrize(("topic", "cluster"), [("transactions", "the next broker"), ("another topic", "c")])
async def test_a_stream_takes_over_the_profiles_of_the_one_before(store: Store, topic: str, cluster: str) -> None:
    await learn(store, await opened(store, 0), {"u-1": b"before"})
    await learn(store, await opened(store, 1, topic, cluster), {"u-1": b"after"})
    assert await store.profile("u-1", 1) == b"after"
    with pytest.raises(ForeignProfile, match="partition 1"):
        await learn(store, await opened(store, 2, topic, cluster), {"u-1": b"later"})


async def test_a_rebuilt_profile_is_of_whoever_comes_first(store: Store) -> None:
    await learn(store, await opened(store, 0), {"u-1": b"learnt"})
    await store.save_profiles({"u-1": b"rebuilt"}, {}, 1, "1")
    await learn(store, await opened(store, 1), {"u-1": b"of 1"})
    with pytest.raises(ForeignProfile, match="partition 1"):
        await learn(store, await opened(store, 0), {"u-1": b"of 0"}, expected=1)
