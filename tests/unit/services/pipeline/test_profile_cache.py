"""The cache of committed profiles: what it lends is what was committed, within one limit for all partitions."""

import gc
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from detectors.habits import Habits, Moments, Seen
from detectors.state import UserState
from services.pipeline.profile_cache import ENTRY_BYTES, ProfileCache


def test_a_batch_larger_than_the_cache_keeps_the_profiles_it_was_lent() -> None:
    cache = ProfileCache(10_000)
    for number in range(10):
        cache.keep(0, {f"u{number}": bytes([number]) * 1_000})
    batch = cache.lend(0, ["u9", "a", "b", "c", "d", "e"])
    cache.keep(0, dict.fromkeys(batch.unknown, b"x" * 3_000))
    assert batch.encoded == {"u9": b"\x09" * 1_000}
    assert batch.unknown == ["a", "b", "c", "d", "e"]


def test_the_least_recently_used_user_of_any_partition_makes_room_first() -> None:
    cache = ProfileCache(3 * (1_000 + ENTRY_BYTES))
    for partition in range(3):
        cache.keep(partition, {"u": b"x" * 1_000})
    cache.lend(0, ["u"])
    cache.keep(3, {"u": b"x" * 1_000})
    assert [bool(cache.lend(partition, ["u"]).encoded) for partition in range(4)] == [True, False, True, True]


def test_a_partition_that_is_forgotten_leaves_the_others_alone() -> None:
    cache = ProfileCache(10_000)
    cache.keep(0, {"u": b"zero"}, {"u": UserState()})
    cache.keep(1, {"u": b"one"})
    cache.forget(0)
    assert cache.lend(0, ["u"]).unknown == ["u"]
    assert cache.lend(1, ["u"]).encoded == {"u": b"one"}


def test_a_decoded_profile_is_lent_once_and_comes_back_with_the_commit() -> None:
    cache = ProfileCache(100_000)
    state = UserState.of(Habits(seen=3))
    cache.keep(0, {"u": state.to_bytes()}, {"u": state})
    assert cache.lend(0, ["u"]).decoded == {"u": state}
    assert cache.lend(0, ["u"]).decoded == {}
    assert cache.lend(0, ["u"]).encoded == {"u": state.to_bytes()}


def test_a_user_without_a_profile_is_asked_for_once() -> None:
    cache = ProfileCache(10_000)
    cache.keep(0, {"new": None})
    assert cache.lend(0, ["new"]) == ({}, {}, [])


users = st.sampled_from(["a", "b", "c", "d", "e"])
partitions = st.integers(0, 2)
states = st.one_of(st.none(), st.binary(max_size=400))
kept = st.tuples(st.just("keep"), partitions, st.dictionaries(users, states), st.sets(users))
lent = st.tuples(st.just("lend"), partitions, st.sets(users))
forgotten = st.tuples(st.just("forget"), partitions)


@given(st.integers(0, 4_000), st.lists(st.one_of(kept, lent, forgotten), max_size=60))
def test_whatever_is_kept_and_evicted_no_stale_profile_is_lent_and_the_limit_holds(
    limit: int, steps: list[tuple[object, ...]]
) -> None:
    cache = ProfileCache(limit)
    committed: dict[tuple[int, str], bytes | None] = {}
    for step in steps:
        match step:
            case ("keep", int(partition), dict(found), set(warm)):
                known = {user for user, encoded in found.items() if encoded is not None}
                cache.keep(partition, found, {user: UserState() for user in warm & known})
                committed |= {(partition, user): encoded for user, encoded in found.items()}
            case ("lend", int(partition), set(asked)):
                found = cache.lend(partition, asked)
                for user in asked - set(found.unknown):
                    assert committed[partition, user] == found.encoded.get(user)
                assert found.decoded.keys() <= found.encoded.keys()
            case ("forget", int(partition)):
                cache.forget(partition)
                assert cache.lend(partition, "abcde").unknown == [*"abcde"]
        assert cache.size <= limit
    for partition in range(3):
        cache.forget(partition)
    assert cache.size == 0


def test_what_it_counts_is_about_what_it_takes() -> None:
    habits = Habits(
        seen=9,
        times=[float(number) for number in range(32)],
        amounts=[float(number) for number in range(32)],
        by_category={f"c-{number}": Moments(1, float(number)) for number in range(24)},
        merchants=Seen(60, {f"m-{number}": 1 for number in range(60)}),
    )
    state = UserState.of(habits)

    def fill(cache: ProfileCache) -> None:
        for number in range(4_000):
            encoded = state.to_bytes()
            cache.keep(0, {f"user-{number}": encoded}, {f"user-{number}": UserState.from_bytes(encoded)})

    fill(ProfileCache(4_000_000))  # what is imported and compiled at first use is not the cache's
    cache = ProfileCache(4_000_000)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    fill(cache)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.5 * cache.size < taken < 1.1 * cache.size
