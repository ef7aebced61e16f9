"""Small files that unpack to huge ones: bounded memory, bounded time, and one clear line."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest

from services.records.files import UnreadableFile, open_rows

MIB = 1024 * 1024
HEADER = b"transaction_id,user_id,amount,currency,timestamp\n"
PIECES = 32
PIECE = 16
"""Each bomb unpacks to half a gibibyte."""
MOST_MEMORY = 300 * MIB

CONTENTS = {
    "cell.csv": (HEADER + b'a,b,1,EUR,"', b"x"),
    "lines.csv": (HEADER, b" " * 255 + b"\n"),
    "objects.json": (b"", b"["),
    "zeros.parquet": (b"PAR1", b"\0"),
}


def gzipped(first: bytes, again: bytes) -> bytes:
    packed = gzip.compress(again * (PIECE * MIB // len(again)), 6)
    return gzip.compress(first) + packed * PIECES


def zstandard(first: bytes, again: bytes) -> bytes:
    codec = pyarrow.Codec("zstd")
    packed = codec.compress(again * (PIECE * MIB // len(again)), asbytes=True)
    return codec.compress(first, asbytes=True) + packed * PIECES if first else packed * PIECES


LAUNCHER = """
import resource, subprocess, sys
with open(sys.argv[1], "wb") as said:
    code = subprocess.call(sys.argv[2:], stdout=said, stderr=said)
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small process between: a child counts with the memory of the process that it was forked from."""


@pytest.fixture
def within_memory(environment: dict[str, str], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs a command, which must not take more than `MOST_MEMORY`; gives its exit code and what it said."""
    program = str(Path(sys.executable).with_name("anomaly-tui"))

    def run(*arguments: str) -> tuple[int, str]:
        said = tmp_path / "said"
        with said.open("wb") as output:
            launched = subprocess.run(
                (sys.executable, "-c", LAUNCHER, str(said), program, *arguments),
                env=environment,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=output,
                check=True,
            )
        code, kibibytes = map(int, launched.stdout.split())
        assert kibibytes * 1024 < MOST_MEMORY
        return code, said.read_text()

    return run


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("cell.csv.gz", gzipped),
        ("lines.csv.zst", zstandard),
        ("objects.json.gz", gzipped),
        ("zeros.parquet.gz", gzipped),
        ("zeros.parquet.zst", zstandard),
    ],
)
def test_a_bomb_is_scored_no_further_than_its_ratio(
    within_memory: Callable[..., tuple[int, str]], tmp_path: Path, name: str, pack: Callable[[bytes, bytes], bytes]
) -> None:
    (tmp_path / name).write_bytes(pack(*CONTENTS[name.rpartition(".")[0]]))
    code, said = within_memory("score", name)
    assert code == 1
    lines = [line for line in said.splitlines() if line.startswith("anomaly-tui: ")]
    assert len(lines) == 1, said
    assert "times its size" in lines[0] or "longer than" in lines[0], said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", [("mapping", "guess"), ("replay",)])
def test_no_command_reads_a_bomb_to_its_end(
    within_memory: Callable[..., tuple[int, str]], tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "lines.csv.gz").write_bytes(gzipped(*CONTENTS["lines.csv"]))
    code, said = within_memory(*command, "lines.csv.gz")
    assert (code, "times its size" in said, "Traceback" in said) == (1, True, False), said


@pytest.mark.parametrize("pack", [gzipped, zstandard])
def test_a_bomb_within_a_bomb_is_not_unpacked(tmp_path: Path, pack: Callable[[bytes, bytes], bytes]) -> None:
    inner = pack(*CONTENTS["lines.csv"])
    for suffix, packed in (("gz", gzip.compress(inner)), ("zst", pyarrow.compress(inner, "zstd", asbytes=True))):
        path = tmp_path / f"rows.csv.{suffix}"
        path.write_bytes(packed)
        with pytest.raises(UnreadableFile, match=r"rows.csv.* it is packed twice; unpack it first"):
            open_rows(path)
