"""What the partition tasks of one process have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from services.console.bus import Bus
from services.pipeline.keying import Keying
from services.pipeline.together import Together
from services.pipeline.topic import TopicWatch
from services.pipeline.turns import Turns
from services.store.store import Store


@dataclass(frozen=True)
class Shared:
    """`owner` names the process in the store; `together` has the small batches of a partition."""

    cluster: str
    topic: TopicWatch
    owner: str
    store: Store
    bus: Bus
    batch_size: int
    turns: Turns
    together: Callable[[int], Together]
    keying: Keying
