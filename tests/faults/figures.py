"""What a fault test counts: how many faults it injected, what they cost, and how long it took to recover.

Each test that asks the oracle (`tests/faults/promises.py`), or counts for itself, leaves a file in build/faults/;
`python benchmarks/_document.py` makes the table of docs/reliability.md of them.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "faults"
FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"


@dataclass
class Figures:
    """Of one test, which is a `control` where it takes away what protects. `recovery` is the longest, in seconds."""

    faults: int = 0
    sent: int = 0
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    profiles_wrong: int = 0
    recovery: float | None = None
    control: bool = False
    counted: bool = False
    _began: float = field(default_factory=time.monotonic)

    @contextmanager
    def recovering(self) -> Iterator[None]:
        """What is done within is to recover from a fault."""
        began = time.monotonic()
        yield
        self.recovery = max(self.recovery or 0.0, time.monotonic() - began)

    def write(self, module: str, test: str) -> None:
        """Leave them, where there are any."""
        if not self.counted:
            return
        FOLDER.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in asdict(self).items() if name not in ("counted", "_began")}
        kept |= {"module": module, "test": test, "full": FULL, "seconds": round(time.monotonic() - self._began, 1)}
        name = "".join(letter if letter.isalnum() else "_" for letter in f"{module}-{test}")
        (FOLDER / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


current = Figures()
"""Of the test that runs."""


def begin() -> Figures:
    """Those of a test that begins."""
    global current
    current = Figures()
    return current
