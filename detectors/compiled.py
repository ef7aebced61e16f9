"""Functions of numbers and arrays, compiled to machine code the first time they run."""

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numba
from platformdirs import user_cache_path

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_SOURCES = Path(__file__).parent


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function in machine code, kept on disk where there is a place for it.

    It computes what Python would, but for the last bit of a power: nothing is reordered or fused. Where nothing is kept
    yet, the first call takes some seconds. It lets other threads run meanwhile.
    """
    try:
        made = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        # There is no place that can be written.
        made = numba.njit(nogil=True)(function)
    return cast(Callable[Arguments, Result], made)


def _kept_in() -> Path:
    """The folder for these sources: a function contains what it calls, so that another file may make it another one."""
    digest = sha256()
    for source in sorted(_SOURCES.glob("*.py")):
        digest.update(source.read_bytes())
    # Not whether `__pycache__` is there, which changes meanwhile where Python is told to write no bytecode: what one
    # process keeps the next one has to find.
    parent = _SOURCES / "__pycache__" if os.access(_SOURCES, os.W_OK) else user_cache_path("anomaly-tui")
    return parent / f"compiled-{digest.hexdigest()[:16]}"


def kept() -> bool:
    """Whether anything is kept for these sources; if not, the first calls take some 15 seconds of a core altogether."""
    return bool(numba.config.DISABLE_JIT) or any(_kept_in().rglob("*.nbc"))  # type: ignore[attr-defined]


def forget_others() -> None:
    """Remove what was kept for other sources than these."""
    own = _kept_in()
    for folder in own.parent.glob("compiled-*"):
        if folder != own:
            shutil.rmtree(folder, ignore_errors=True)


numba.config.CACHE_DIR = str(_kept_in())  # type: ignore[attr-defined]
