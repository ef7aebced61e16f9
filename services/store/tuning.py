"""What a PostgreSQL server is set to: the embedded one for its machine, and what an external one could do better."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import psutil

FILE = "anomaly-tui.conf"
_INCLUDE = f"include_if_exists '{FILE}'"
_MIB = 2**20
_LEAST = {"shared_buffers": 256 * _MIB, "max_wal_size": 2048 * _MIB}


def settings(memory: int, free: int) -> dict[str, str]:
    """Settings for a server with `memory` bytes beside our own process, and `free` bytes of disk.

    Indexes of the days that are written stay in memory, and checkpoints are far apart: the first change of a page after
    each one writes the whole page to the log.
    """
    buffers = min(max(memory // 8 // _MIB, 128), 2048)
    log = min(max(free // 10 // _MIB, 1024), 4096)
    return {
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{max(memory // 2 // _MIB, 256)}MB",
        "max_wal_size": f"{log}MB",
        "min_wal_size": f"{log // 4}MB",
        "checkpoint_timeout": "15min",
    }


def tune(folder: Path) -> None:
    """Set the embedded server in `folder` up for its machine, before it starts.

    Written once: who changes the file keeps what was changed. Raises: OSError.
    """
    own = folder / FILE
    if not own.exists():
        lines = settings(psutil.virtual_memory().total, shutil.disk_usage(folder).free)
        text = "".join(f"{name} = {value}\n" for name, value in lines.items())
        own.write_text(f"# What anomaly-tui chose for this machine. Yours to change: it is not written again.\n{text}")
        own.chmod(0o644)
    main = folder / "postgresql.conf"
    if _INCLUDE not in main.read_text(encoding="utf-8"):
        with main.open("a", encoding="utf-8") as file:
            file.write(f"\n{_INCLUDE}\n")


def too_low(shown: Mapping[str, str]) -> list[str]:
    """Of settings as `SHOW` has them, those that make every transaction cost more, each as `name is 128MB`."""
    return [
        f"{name} is {shown[name]}" for name, least in _LEAST.items() if name in shown and _bytes(shown[name]) < least
    ]


def advice() -> str:
    """What to type against those."""
    changes = "; ".join(f"ALTER SYSTEM SET {name} = '{least // _MIB}MB'" for name, least in _LEAST.items())
    return f"{changes}; and restart it"


_UNITS = {"B": 1, "kB": 2**10, "MB": _MIB, "GB": 2**30, "TB": 2**40}


def _bytes(shown: str) -> int:
    found = re.fullmatch(r"(\d+)([kMGT]?B)", shown)
    return int(found[1]) * _UNITS[found[2]] if found else 0
