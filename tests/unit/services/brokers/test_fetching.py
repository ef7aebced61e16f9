"""What is shown while Maven fetches Apache Kafka."""

import pytest

from services.brokers.java import fetched

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
