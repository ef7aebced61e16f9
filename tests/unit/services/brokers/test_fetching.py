"""What is shown while Maven fetches Apache Kafka."""

from pathlib import Path

import pytest

from services.brokers.broker import BrokerError
from services.brokers.java import fetched, jars

DOWNLOADS = [
    "[INFO] Scanning for projects...",
    "[INFO] Downloading from central: https://repository.example/a.pom",
    "[INFO] Downloaded from central: https://repository.example/a.pom (1 kB at 9 kB/s)",
    "[INFO] Downloaded from central: https://repository.example/a.jar (41 kB at 1 MB/s)",
]


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ([], "0 files downloaded"),
        (DOWNLOADS, "2 files downloaded"),
        ([*DOWNLOADS, *(f"[INFO] Copying {name}.jar to /cache/libs/{name}.jar" for name in "ab")], "2 jars in place"),
    ],
)
def test_it_counts_what_has_come(output: list[str], shown: str) -> None:
    assert fetched(output) == shown


async def test_it_counts_the_time_while_maven_prints_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen_enough = tmp_path / "seen"
    maven = tmp_path / "mvn"
    maven.write_text(f"#!/bin/sh\nwhile [ ! -e {seen_enough} ]; do sleep 0.05; done\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    said: list[str] = []

    def progress(text: str) -> None:
        said.append(text)
        if len(set(said)) > 1:
            seen_enough.touch()

    with pytest.raises(BrokerError, match="could not fetch"):
        await jars(tmp_path / "cache", None, progress)
    assert said[0] == "fetching Apache Kafka with Maven, once: 0s, 0 files downloaded"
    assert said[-1] != said[0]
