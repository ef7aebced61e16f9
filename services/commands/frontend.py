"""`anomaly-tui run-frontend`: the web frontend alone, beside an engine."""

import asyncio
import contextlib

import httpx
from rich.console import Console
from rich.text import Text

from services.commands.signals import interruptible
from services.errors import UserError
from services.frontend.browser import has_display
from services.frontend.errors import FrontendError
from services.frontend.reach import reach_of, reach_running
from services.frontend.worker import Frontend
from services.process.supervisor import Supervisor
from services.settings import Settings

_ANSWER_WITHIN = 5.0


def run_frontend(settings: Settings, *, api_url: str | None) -> int:
    """Serve the web pages until a signal. Raises UserError when they cannot be served."""
    access = settings.api_access
    reach = reach_of(api_url, access) if api_url else reach_running(settings.data_dir, access)
    _expect(reach.url)

    async def work() -> int:
        browse = settings.browser and has_display()
        frontend = Frontend(settings.cache_dir, lambda: reach, port=settings.frontend_port, browse=browse)
        supervisor, quitting = Supervisor(), asyncio.Event()
        supervisor.add(frontend)

        async def run() -> int:
            try:
                await supervisor.start()
                await _until_ready(supervisor, quitting)
                return await _until_over(supervisor, quitting)
            finally:
                await supervisor.stop()

        return await interruptible(run(), quitting)

    return asyncio.run(work())


def _expect(url: str) -> None:
    """Raises FrontendError unless an HTTP server answers."""
    try:
        httpx.get(f"{url}/livez", timeout=_ANSWER_WITHIN, trust_env=False, verify=False)  # noqa: S501 - no secret is sent
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FrontendError(f"No HTTP API answers at {url} ({error}): is the engine running there?") from error


async def _until_ready(supervisor: Supervisor, quitting: asyncio.Event) -> None:
    """Show what goes on until it is served or has failed."""
    with Console(stderr=True).status("starting the web frontend") as status:
        while not quitting.is_set() and (worker := supervisor.statuses[0]).state not in ("running", "failed"):
            status.update(Text(f"web frontend: {worker.detail or worker.state}"))
            await _pause(quitting, 0.1)
    if worker.state == "running":
        Console().print(f"The web frontend is at {worker.detail}; Ctrl-C ends it.", highlight=False, soft_wrap=True)


async def _until_over(supervisor: Supervisor, quitting: asyncio.Event) -> int:
    while not quitting.is_set():
        worker = supervisor.statuses[0]
        if worker.state == "failed":
            raise UserError(worker.last_error or "The web frontend failed.")
        await _pause(quitting, 0.5)
    return 0


async def _pause(quitting: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await quitting.wait()
