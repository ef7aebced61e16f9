"""The web frontend as a supervised worker: a Node.js process that serves what was built."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

import httpx
import structlog

from domain.sanitize import sanitize
from services.process.children import end, spawn
from services.frontend.browser import show
from services.frontend.build import SERVER, Progress, built, sources
from services.frontend.node import Node, find_node
from services.frontend.port import free_port
from services.frontend.reach import Reach
from services.process.supervisor import Worker

log = structlog.get_logger("frontend")

_ANSWER_WITHIN = 30.0
_STOP_WITHIN = 5.0
_LOOK_EVERY = 2.0
_LATE_AFTER = 5.0
_MISSES = 5


class Frontend(Worker):
    """Serves the web pages on loopback, port 3000 or the next free one; `port` is one that must be had.

    `api` returns how the engine's HTTP API is reached, or raises FrontendError. `browse` opens a browser at the first
    start.
    """

    name = "frontend"
    essential = False
    waited_for = False

    def __init__(
        self,
        cache_dir: Path,
        api: Callable[[], Reach],
        *,
        port: int | None = None,
        browse: bool = False,
        source: Path | None = None,
    ) -> None:
        super().__init__()
        self.url: str | None = None
        self._cache_dir = cache_dir
        self._api = api
        self._wanted = port
        self._browse = browse
        self._source = source or sources()
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._said: deque[str] = deque(maxlen=20)

    async def startup(self) -> None:
        """Build it if need be, start it, and wait until it answers. Raises FrontendError."""
        # That the port is taken is said at once, not after the build.
        free_port(self._wanted)
        api = await asyncio.to_thread(self._api)
        node = await asyncio.to_thread(find_node)
        folder = await built(self._source, node, self._cache_dir, self._progress())
        port, remark = free_port(self._wanted)
        self.beat("starting")
        await self._launch(node, folder, port, api)
        self.url = f"http://localhost:{port}"
        self.beat(f"{self.url}{remark}")
        log.info("web frontend ready", url=self.url)
        if self._browse:
            self._browse = False
            await show(self.url)

    def _progress(self) -> Progress:
        """Reports progress in `detail` every second, and in the log once a step."""
        steps: set[str] = set()

        def tell(line: str) -> None:
            self.beat(line)
            step = line.partition(",")[0]
            if step not in steps:
                steps.add(step)
                log.info(step)

        return tell

    async def _launch(self, node: Node, folder: Path, port: int, api: Reach) -> None:
        environment = {
            **node.environment,
            "NODE_ENV": "production",
            "HOSTNAME": "127.0.0.1",
            "PORT": str(port),
            "ANOMALY_TUI_EXIT_WITH_STDIN": "1",
            **api.environment,
        }
        self._said.clear()
        self._process = await spawn(
            node.executable,
            SERVER,
            cwd=folder,
            env=environment,
            # It ends when this pipe does: with us, however we end.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._listening = asyncio.create_task(self._listen(self._process.stdout))
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=_LATE_AFTER, trust_env=False)
        async with asyncio.timeout(_ANSWER_WITHIN):
            while not await self._answers():
                self._check()
                await asyncio.sleep(0.05)

    async def main_loop(self) -> None:
        """Watch it. Raises RuntimeError when it ends or answers no more."""
        assert self._process is not None
        ready, misses = self.detail, 0
        ended = asyncio.create_task(self._process.wait())
        try:
            while not (await asyncio.wait({ended}, timeout=_LOOK_EVERY))[0]:
                misses = 0 if await self._answers() else misses + 1
                self.degraded = misses > 0
                if misses >= _MISSES:
                    raise RuntimeError("it answers no more")
                if not misses:
                    self.beat(ready)
        finally:
            ended.cancel()
        self._check()

    async def shutdown(self) -> None:
        """End the process, with all that it started."""
        self.degraded, self.url, self.detail = False, None, ""
        process, self._process = self._process, None
        if process is None:
            return
        await end(process, _STOP_WITHIN)
        await self._client.aclose()
        if self._listening is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._listening, 1.0)

    async def _answers(self) -> bool:
        try:
            return (await self._client.get("/healthz")).is_success
        except httpx.HTTPError:
            return False

    def _check(self) -> None:
        code = None if self._process is None else self._process.returncode
        if code is not None:
            last = f": {self._said[-1]}" if self._said else ""
            raise RuntimeError(f"Node.js ended with code {code}{last}")

    async def _listen(self, output: asyncio.StreamReader) -> None:
        """Take over what it says into our log, line by line."""
        while line := await _line(output):
            text = sanitize(line.decode(errors="replace").rstrip())
            if text.strip():
                self._said.append(text.strip())
                log.info(text)


async def _line(output: asyncio.StreamReader) -> bytes:
    """The next line, or a part of one that has no end."""
    try:
        return await output.readline()
    except ValueError:
        return await output.read(65536)
