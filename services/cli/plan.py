"""What a run of the engine is to do, as the command line decided."""

from dataclasses import dataclass
from typing import Literal

from services.records.mapping import Mapping


@dataclass(frozen=True)
class RunPlan:
    """Which detectors score, whether the simulator sends, and how foreign records are read."""

    detector: Literal["basic", "enhanced", "both"]
    simulate: bool
    mapping: Mapping | None
