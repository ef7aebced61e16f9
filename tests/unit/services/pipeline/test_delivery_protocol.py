"""Owners, terms, batches, lost answers and evicted profiles in any order: each transaction once, and profiles that are
what they add up to. Three faults put back, each of which must be found.
"""

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.pipeline.batching import LONGEST_RETRY
from services.pipeline.partition import FENCED_PAUSE
from services.pipeline.profile_cache import Lent, ProfileCache
from services.pipeline.together import PACE
from tests.faults import figures
from tests.simulating import awake
from tests.unit.services.pipeline.protocol import (
    CACHE_BYTES,
    PARTITIONS,
    POISONED,
    Client,
    Loop,
    Owner,
    Partition,
    PostgreSQL,
    recounted,
)

OWNERS = 2
USERS = 8
ROUNDS = 300
"""Of everything answered and everything polled, within which all must be stored."""

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
STREAM = awake(START, users=USERS, anomaly_rate=0.05, seed=1, rate=50.0)
ROWS = random.Random(1).sample([transaction for transaction, _ in islice(STREAM, 400)], 400)
"""In no order, so that users, and with them partitions, do not come one after another."""

OF_USER = {user: number for number, user in enumerate(sorted({row.user_id for row in ROWS}))}

owners = st.integers(0, OWNERS - 1)
partitions = st.integers(0, PARTITIONS - 1)
FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
SETTINGS = settings(
    max_examples=2_000 if FULL else 60,
    stateful_step_count=40,
    deadline=None,
    derandomize=not FULL,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class Delivery(RuleBasedStateMachine):
    """Producers, Kafka's group, PostgreSQL and chance; what they are dealing with is the pipeline's own code."""

    make_server: Callable[[], PostgreSQL] = PostgreSQL
    make_cache: Callable[[int], ProfileCache] = ProfileCache

    def __init__(self) -> None:
        super().__init__()
        self.loop = Loop()
        self.server = type(self).make_server()
        self.logs = [Partition() for _ in range(PARTITIONS)]
        self.published: list[str] = []
        self.owners = [self._owner() for _ in range(OWNERS)]
        self.assigned: dict[int, Owner] = {}
        """Who has each partition in Kafka's eyes."""
        self.sent: list[Any] = []
        self.excused: set[str] = set()
        """What was stored by who was killed before he could publish it."""
        self._rows = iter(ROWS)

    def _owner(self) -> Owner:
        make_cache = type(self).make_cache
        return Owner(self.server, self.logs, self.published, lambda: make_cache(CACHE_BYTES))

    @initialize()
    def begin(self) -> None:
        for partition in range(PARTITIONS):
            self.rebalance(partition % OWNERS, partition, told=True)
        self.produce(12)
        self.answer_all()
        self.poll()

    @rule(count=st.integers(1, 8))
    def produce(self, count: int) -> None:
        for _ in range(count):
            if (row := next(self._rows, None)) is not None:
                self._append(row)
                self.sent.append(row)

    @rule(data=st.data())
    def produce_again(self, data: st.DataObject) -> None:
        self._append(data.draw(st.sampled_from(self.sent)))

    def _append(self, row: Any) -> None:
        self.logs[OF_USER[row.user_id] % PARTITIONS].append(row)

    @rule(owner=owners, partition=partitions, told=st.booleans())
    def rebalance(self, owner: int, partition: int, told: bool) -> None:
        """Give a partition to another owner; one who was not told goes on as if it were his."""
        before, after = self.assigned.get(partition), self.owners[owner]
        if told and before is not None and partition in before.tasks:
            before.revoke(partition)
        if partition not in after.tasks:
            after.assign(self.loop, partition)
        self.assigned[partition] = after
        figures.current.faults += not told
        self.loop.settle()

    @rule()
    def poll(self) -> None:
        for owner in self.owners:
            owner.poll()
        self.loop.settle(PACE)

    @precondition(lambda self: self.server.asked)
    @rule(data=st.data(), fate=st.sampled_from(["answered", "answer lost", "not done"]))
    def answer(self, data: st.DataObject, fate: Any) -> None:
        """PostgreSQL gets to one of the things it was asked."""
        number = data.draw(st.integers(0, len(self.server.asked) - 1))
        self.server.asked.pop(number).end(fate)
        figures.current.faults += fate != "answered"
        self.loop.settle()

    @precondition(lambda self: any(asked.commits for asked in self.server.asked))
    @rule(fate=st.sampled_from(["answer lost", "not done"]))
    def lose_a_commit(self, fate: Any) -> None:
        number = next(number for number, asked in enumerate(self.server.asked) if asked.commits)
        self.server.asked.pop(number).end(fate)
        figures.current.faults += 1
        self.loop.settle()

    @rule()
    def answer_all(self) -> None:
        while self.server.asked:
            self.server.asked.pop(0).end("answered")
            self.loop.settle()

    @rule(seconds=st.sampled_from([0.5, FENCED_PAUSE, LONGEST_RETRY]))
    def pass_time(self, seconds: float) -> None:
        self.loop.settle(seconds)

    @rule(owner=owners)
    def lose_scorer(self, owner: int) -> None:
        """What scores for an owner ends, and is replaced."""
        self.owners[owner].desk.lose()
        figures.current.faults += 1

    @rule(owner=owners, stored=st.booleans())
    def kill(self, owner: int, stored: bool) -> None:
        """And start again. What it was committing is stored, or it is not."""
        killed = self.owners[owner]
        figures.current.faults += 1
        for asked in self.server.asked:
            if asked.owner is killed and asked.commits and stored:
                asked.end("answer lost")
        killed.kill()
        self.owners[owner] = self._owner()
        self.excused |= self.server.last_committed_by(killed)
        for partition in [partition for partition, who in self.assigned.items() if who is killed]:
            del self.assigned[partition]
        self.loop.settle()

    @invariant()
    def nothing_is_published_that_is_not_stored_and_nothing_twice(self) -> None:
        stored = [row.transaction.transaction_id for _, row in self.server.stored]
        assert len(stored) == len(set(stored)), "transactions stored twice"
        assert len(self.published) == len(set(self.published)), "transactions published twice"
        assert set(self.published) <= set(stored), "published and not stored"

    def teardown(self) -> None:
        try:
            self._drain()
            self._check()
        finally:
            for owner in self.owners:
                owner.kill()
            self.loop.settle()
            self.loop.close()

    def _drain(self) -> None:
        """Kafka settles who has what, PostgreSQL answers, and everything is stored and published."""
        for partition in range(PARTITIONS):
            if partition not in self.assigned:
                self.rebalance(0, partition, told=True)
            for owner in self.owners:
                if partition in owner.tasks and owner is not self.assigned[partition]:
                    owner.revoke(partition)
        for _ in range(ROUNDS):
            self.answer_all()
            for owner in self.owners:
                owner.poll()
            self.loop.settle(LONGEST_RETRY)
            if not self.server.asked and all(
                owner.tasks[partition].reached == len(self.logs[partition].records)
                for partition, owner in self.assigned.items()
            ):
                break
        else:
            raise AssertionError("records that are never stored")
        for owner in self.owners:
            owner.check()

    def _check(self) -> None:
        self.nothing_is_published_that_is_not_stored_and_nothing_twice()
        stored = {row.transaction.transaction_id for _, row in self.server.stored}
        # Who dies of a record again and again, or seems to, is rid of it.
        assert {dead.reason for dead in self.server.dead} <= {POISONED}
        missing = {row.transaction_id for row in self.sent} - stored
        assert len(missing) <= len(self.server.dead), "transactions lost"
        assert stored - set(self.published) <= self.excused, "stored and never published"
        for partition, row in self.server.progress.items():
            assert row.account.offsets == row.next_offset == len(self.logs[partition].records), "offsets in no sum"
        assert self.server.profiles == recounted(self.server), "profiles differ from a recount"
        figures.current.sent += len(self.sent)


def explore(**faults: Any) -> None:
    """Look for a history that breaks a promise, with these faults put back. The first one does, however long."""
    until_found = settings(SETTINGS, max_examples=2_000, phases=[Phase.generate], report_multiple_bugs=False)
    run_state_machine_as_test(type("Faulty", (Delivery,), faults), settings=until_found)


@pytest.mark.timeout(3_600 if FULL else 300)
def test_no_history_breaks_a_promise() -> None:
    counted = figures.begin()
    run_state_machine_as_test(Delivery, settings=SETTINGS)
    counted.counted = True
    counted.write("test_delivery_protocol.py", "test_no_history_breaks_a_promise")


class Looking(dict[str, bytes]):
    """States of a batch's users that are looked up in the cache when they are needed."""

    def __init__(self, cache: ProfileCache, partition: int, users: Any) -> None:
        super().__init__()
        self._cached: Any = cache._encoded
        self._partition, self._users = partition, users

    def __iter__(self) -> Any:
        return iter(self.keys())

    def keys(self) -> Any:
        return [user for user in self._users if self._cached.get((self._partition, user)) is not None]

    def __getitem__(self, user: str) -> Any:
        return self._cached[self._partition, user]


class Forgetful(ProfileCache):
    """What it evicts is missing from the batches in flight as well."""

    def lend(self, partition: int, users: Any) -> Lent:
        return Lent(Looking(self, partition, users), {}, super().lend(partition, users).unknown)


def test_profiles_evicted_while_their_batch_is_in_flight_are_found() -> None:
    with pytest.raises(AssertionError, match="profiles differ from a recount"):
        explore(make_cache=staticmethod(Forgetful))


def test_a_lost_answer_to_commit_that_is_taken_for_a_failure_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: Client, transactions: Any) -> bool:
        return False

    monkeypatch.setattr(Client, "any_committed", never)
    with pytest.raises(AssertionError, match="stored and never published"):
        explore()


def test_a_fence_that_lets_everybody_through_is_found() -> None:
    with pytest.raises(AssertionError):
        explore(make_server=staticmethod(lambda: PostgreSQL(fenced=False)))
