"""A small file system of a test's own, which it can fill."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PIECE = 1024 * 1024


class Disk:
    """`folder` is where it is mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / ".filler"

    def fill(self) -> None:
        """Leave room for nothing."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (PIECE, 4096, 1):
                with suppress(OSError):
                    while file.write(b"\0" * size):
                        pass

    def free(self) -> None:
        self._filler.unlink()


@contextmanager
def mounted(mebibytes: int) -> Iterator[Disk]:
    """A disk of this size. Skips the test for who may not mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small file system that this test fills")
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-disk-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=755", "tmpfs", folder], check=True)
        try:
            yield Disk(Path(folder))
        finally:
            # Also where something still has a file of it open.
            subprocess.run(["umount", "--lazy", folder], check=True)
