"""Figures of a benchmark as JSON, with the machine that they are of."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

FOLDER = Path(__file__).parents[1] / "build" / "bench"


def machine() -> dict[str, Any]:
    """Cores, memory in GiB, and how busy the machine was in the last minute, in running processes a core."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "load_a_core": round(os.getloadavg()[0] / (os.cpu_count() or 1), 2),
    }


def keep(name: str, figures: Any) -> Path:
    """Write `build/bench/NAME.json`. Returns: the file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{name}.json"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=FOLDER
    ).stdout.strip()
    kept = {"at": datetime.now(UTC).isoformat("T", "seconds"), "commit": commit, "machine": machine()}
    file.write_text(json.dumps(kept | {"figures": figures}, indent=2) + "\n", encoding="utf-8")
    return file
