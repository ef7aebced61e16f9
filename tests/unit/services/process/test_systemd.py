"""What a service manager is told."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.process.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    """A socket such as systemd's, and its address as systemd writes it."""
    folder = tempfile.TemporaryDirectory(prefix="notify-")
    name = f"anomaly-tui-test-{os.getpid()}"
    abstract = request.param == "abstract"
    with folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        listening.bind(f"\0{name}" if abstract else str(Path(folder.name) / name))
        yield listening, f"@{name}" if abstract else str(Path(folder.name) / name)


def test_lines_arrive_as_one_message(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    ServiceManager({"NOTIFY_SOCKET": address}).say("READY=1", "STATUS=two\nlines")
    assert listening.recv(1024) == b"READY=1\nSTATUS=two lines"


async def test_the_watchdog_is_told_only_while_all_is_alive(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    listening.setblocking(False)
    told = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())})
    answers = iter([True, False, False, True])
    asked = asyncio.Event()

    def alive() -> bool:
        answer = next(answers, None)
        if answer is None:
            asked.set()
        return bool(answer)

    watching = asyncio.create_task(told.keep_watching(alive))
    await asyncio.wait_for(asked.wait(), 10)
    watching.cancel()
    assert [listening.recv(1024) for _ in range(2)] == [b"WATCHDOG=1"] * 2
    with pytest.raises(BlockingIOError):
        listening.recv(1024)


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "often"}]
)
async def test_without_a_watchdog_of_ours_nobody_is_told(environment: dict[str, str]) -> None:
    await asyncio.wait_for(ServiceManager(environment).keep_watching(lambda: pytest.fail("asked")), 10)


def test_a_manager_that_is_gone_stops_nothing() -> None:
    ServiceManager({"NOTIFY_SOCKET": "/nonexistent/notify"}).say("READY=1")
