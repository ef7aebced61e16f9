"""`anomaly-tui reconcile` as the fault tests ask it."""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec


class Reconcile:
    """The command, as a user runs it."""

    def __init__(self, folder: Path, bootstrap: str, dsn: str) -> None:
        self._command = (str(Path(sys.executable).with_name("anomaly-tui")), "reconcile", "--kafka", bootstrap)
        self._options = ("--database", dsn, "--data-dir", str(folder / "data"))

    async def _run(self, topic: str, *options: str) -> tuple[int, bytes, str]:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *self._options,
            "--topic",
            topic,
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output, errors.decode()

    async def totals(self, topic: str) -> dict[str, int]:
        """What became of how many offsets, where all of them add up."""
        code, output, errors = await self._run(topic, "--json")
        found: dict[str, Any] = msgspec.json.decode(output)
        assert (code, found["accounted"]) == (0, True), (errors, found)
        return dict(found["totals"])

    async def fates_of(self, topic: str) -> Counter[str]:
        """What became of the offsets of the topic itself, without its copy; all of both must add up."""
        code, output, errors = await self._run(topic, "--json")
        found: dict[str, Any] = msgspec.json.decode(output)
        assert (code, found["accounted"]) == (0, True), (errors, found)
        return sum((Counter(each["fates"]) for each in found["partitions"] if each["topic"] == topic), Counter[str]())

    async def said(self, topic: str) -> tuple[int, str]:
        """The exit code and everything that people read."""
        code, output, errors = await self._run(topic)
        return code, output.decode() + errors
