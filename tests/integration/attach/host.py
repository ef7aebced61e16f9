"""What consoles attach to, without an engine: the attach worker on any console port, in a folder of its own."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from pathlib import Path

from services.attach.client import RemotePort
from services.attach.link import NotConnected
from services.attach.server import Attach
from services.console.port import ConsolePort
from services.process.runtime import RuntimeFolder
from services.process.supervisor import Supervisor

HZ = 30.0


class Host:
    """A place where one engine at a time listens; a folder of its own, since socket paths are short."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="attach-"))
        self.runtime = RuntimeFolder(self.folder, {"RUNTIME_DIRECTORY": str(self.folder)})
        self.supervisor = Supervisor()

    def find(self) -> Path:
        """Where the engine listens. Raises NotConnected where none does."""
        if not self.runtime.socket.exists():
            raise NotConnected("No engine runs here.", "no engine runs")
        return self.runtime.socket

    async def serve(self, port: ConsolePort, trusted: Container[int] | None = None) -> Attach:
        """Let consoles attach to an engine."""
        worker = Attach(port, self.runtime, trusted=trusted)
        self.supervisor.add(worker)
        await self.supervisor.start()
        return worker

    async def stop(self) -> None:
        """The engine ends."""
        await self.supervisor.stop()

    @asynccontextmanager
    async def console(self) -> AsyncIterator[RemotePort]:
        """A console attached to it."""
        port = RemotePort(self.find, HZ)
        await port.start()
        try:
            yield port
        finally:
            await port.stop()


@asynccontextmanager
async def host() -> AsyncIterator[Host]:
    """A host, gone afterwards with all that runs on it."""
    made = Host()
    try:
        yield made
    finally:
        await made.stop()
        shutil.rmtree(made.folder, ignore_errors=True)
