"""What the partition tasks of one process have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from detectors.models import Models
from services.console.bus import Bus
from services.pipeline.desk import Desk
from services.pipeline.keying import Keying
from services.pipeline.topic import TopicWatch
from services.pipeline.turns import Turns
from services.store.store import Store


@dataclass(frozen=True)
class Shared:
    """`owner` names the process in the store; `desk` is where the batches of a partition are scored."""

    cluster: str
    topic: TopicWatch
    owner: str
    store: Store
    models: Callable[[], Models]
    bus: Bus
    batch_size: int
    turns: Turns
    desk: Callable[[int], Desk]
    keying: Keying
