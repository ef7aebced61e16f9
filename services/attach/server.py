"""The worker that lets consoles attach to an engine."""

import asyncio
import socket
from collections.abc import Callable, Container
from contextlib import suppress
from pathlib import Path

import structlog

from services.attach.connection import ATTACH, Connection
from services.attach.peer import peer_uid, trusted_uids, user_name
from services.attach.protocol import ProtocolError
from services.console.port import ConsolePort
from services.errors import UserError
from services.process.runtime import RuntimeFolder
from services.process.supervisor import Worker

log = structlog.get_logger("attach")

MOST_CONSOLES = 64
LOOK_EVERY = 2.0
UNSENT = 64 * 1024
"""Bytes that wait for a slow console before nothing more is made for it."""
_GOODBYE_WITHIN = 2.0


class Attach(Worker):
    """Listens on the Unix socket in `runtime` and serves each console that may speak.

    `trusted` are the user ids that may. `announce` is called with the path of the socket. When it cannot listen it is
    degraded and tries again, also after somebody has cleaned up the folder; the engine goes on.
    """

    name = ATTACH

    def __init__(
        self,
        port: ConsolePort,
        runtime: RuntimeFolder,
        announce: Callable[[Path], None] = lambda path: None,
        trusted: Container[int] | None = None,
    ) -> None:
        super().__init__()
        self._port = port
        self._runtime = runtime
        self._announce = announce
        self._trusted = trusted_uids() if trusted is None else trusted
        self._server: asyncio.Server | None = None
        self._inode: int | None = None
        self._consoles: set[asyncio.Task[None]] = set()

    @property
    def consoles(self) -> int:
        """How many are attached."""
        return len(self._consoles)

    async def startup(self) -> None:
        """Listen."""
        await self._listen()

    async def main_loop(self) -> None:
        """Listen again wherever the socket went."""
        while True:
            if self._inode is None or self._inode != _inode(self._runtime.socket):
                self._stop_listening()
                await self._listen()
            if not self.degraded:
                self.beat(f"{self.consoles} console{'' if self.consoles == 1 else 's'} attached")
            await asyncio.sleep(LOOK_EVERY)

    async def shutdown(self) -> None:
        """End every connection, and leave nothing behind."""
        self._stop_listening()
        for task in self._consoles:
            task.cancel()
        if self._consoles:
            await asyncio.wait(self._consoles, timeout=_GOODBYE_WITHIN)
        self._runtime.close()

    async def _listen(self) -> None:
        path = self._runtime.socket
        listener = socket.socket(socket.AF_UNIX)
        try:
            self._runtime.open()
            # Its former owner is gone: there is one engine a data directory.
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            path.chmod(0o600)
            self._server = await asyncio.start_unix_server(self._accept, sock=listener)
        except (OSError, UserError) as error:
            listener.close()
            self.degraded = True
            self.beat(f"nobody can attach: {error}")
            return
        self._inode = _inode(path)
        self.degraded = False
        self._announce(path)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._inode is not None and self._inode == _inode(self._runtime.socket):
            self._runtime.socket.unlink(missing_ok=True)
        self._inode = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        uid = peer_uid(writer.get_extra_info("socket"))
        writer.transport.set_write_buffer_limits(high=UNSENT)
        connection = Connection(self._port, reader, writer, user_name(uid))
        try:
            if uid not in self._trusted:
                log.warning("refused a console of another user", uid=uid)
                await connection.refuse(f"the engine answers only its own user, not {user_name(uid)}")
            elif len(self._consoles) >= MOST_CONSOLES:
                await connection.refuse(f"{MOST_CONSOLES} consoles are attached already")
            else:
                self._consoles.add(task)
                await connection.serve()
        except ProtocolError as error:
            log.warning("ended a connection", error=str(error))
        except (OSError, asyncio.CancelledError):
            # It is gone, or the engine goes: nothing is left to be sent.
            writer.transport.abort()
        finally:
            self._consoles.discard(task)
            writer.close()


def _inode(path: Path) -> int | None:
    with suppress(OSError):
        return path.stat().st_ino
    return None
