"""The desks of one pipeline, and which partition is scored at which."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from services.pipeline.desk import Desk, ThreadDesk
from services.pipeline.frames import Setup
from services.pipeline.process_desk import ProcessDesk
from services.pipeline.profile_cache import ProfileCache
from services.pipeline.scorer import Scorer
from services.records.mapping import Mapping

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Desks:
    """One thread here, and at most as many processes as there are `workers`: each from the first batch of one of its
    partitions on that has `full` records. All share `cache_bytes` for profiles.
    """

    def __init__(self, workers: int, mapping: Mapping | None, cache_bytes: int, full: int) -> None:
        # One thread: scoring is pure Python, of which two threads together get no more done.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scorer")
        here = ThreadDesk(Scorer(mapping, ProfileCache(cache_bytes)), self._executor)
        setup = Setup(mapping, cache_bytes // max(1, workers))
        self._processes = [ProcessDesk(here, setup, full) for _ in range(workers)]
        self.each: Sequence[Desk] = self._processes or [here]

    async def close(self) -> None:
        """End the processes. Nothing is asked of them any more."""
        await asyncio.gather(*(desk.close() for desk in self._processes))
        self._executor.shutdown(wait=False)

    def of(self, partition: int) -> Desk:
        """Where the batches of a partition are scored."""
        return self.each[partition % len(self.each)]

    def clear(self) -> None:
        """Read profiles again from the store: somebody has written to it."""
        for desk in self.each:
            desk.clear()

    async def in_thread(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **options: Arguments.kwargs
    ) -> Result:
        """Have other work done beside the event loop."""
        return await asyncio.wrap_future(self._executor.submit(work, *arguments, **options))

    @property
    def pids(self) -> Sequence[int]:
        """The processes that are there."""
        return [desk.pid for desk in self._processes if desk.pid is not None]

    @property
    def restarts(self) -> int:
        """How many processes had to be replaced."""
        return sum(desk.restarts for desk in self._processes)

    @property
    def troubles(self) -> Sequence[str]:
        """What is wrong with them, for people."""
        restarted = [f"processes that score ended and were started again: {self.restarts}"] if self.restarts else []
        return [*restarted, *{desk.unable for desk in self._processes if desk.unable}]
