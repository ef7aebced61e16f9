"""A TCP proxy that harms what goes through it: delay, slow, half-open, refused, cut at a chosen byte or request."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal

CHUNK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)

Fate = Literal["pass", "cut before", "cut after"]
"""What becomes of a request: it passes; the connection is reset instead; or it is reset once the server has answered,
and the client never sees the answer.
"""


@dataclass(eq=False)
class Connection:
    """A client's connection, and ours to the server for it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    passed: int = 0
    deaf: bool = False
    """Whether the next answer is thrown away, and the connection with it."""

    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def reset(self) -> None:
        """Close both ends at once; the client's end with RST instead of FIN."""
        for writer in (self.client, self.server):
            with contextlib.suppress(OSError):
                if writer is self.client:
                    peer: socket.socket = writer.get_extra_info("socket")
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class FaultProxy:
    """In front of `upstream`, HOST:PORT or the path of a Unix socket. What may be set at any moment:

    `delay` is seconds before each piece is passed on, `rate` bytes a second and direction, `half_open` passes nothing
    on and closes nothing, `refusing` closes new connections at once, `reset_after` resets each connection at that byte
    of what the server answers. `judge` says what becomes of each piece that a client sends on a connection.
    """

    def __init__(self, upstream: str | Path) -> None:
        self.upstream = upstream
        self.delay = 0.0
        self.rate: float | None = None
        self.refusing = False
        self.reset_after: int | None = None
        self.judge: Callable[[bytes, Connection], Fate] = lambda piece, connection: "pass"
        self.port = 0
        self.cuts = 0
        self._open = asyncio.Event()
        self._open.set()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "FaultProxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [task for each in self._connections for task in each.tasks]
        self.cut()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def half_open(self) -> bool:
        """Whether nothing is passed on while all connections stay open."""
        return not self._open.is_set()

    @half_open.setter
    def half_open(self, closed: bool) -> None:
        if closed:
            self._open.clear()
        else:
            self._open.set()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def cut(self) -> None:
        """Reset every connection."""
        for connection in list(self._connections):
            self._cut(connection)

    def _cut(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            self.cuts += 1
            connection.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            if isinstance(self.upstream, Path):
                answers, server = await asyncio.open_unix_connection(str(self.upstream))
            else:
                host, _, port = self.upstream.rpartition(":")
                answers, server = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(writer, server)
        self._connections.add(connection)
        connection.tasks = [
            asyncio.create_task(self._pass_requests(reader, connection)),
            asyncio.create_task(self._pass_answers(answers, connection)),
        ]
        # Either end of a connection that closes closes the other.
        await asyncio.wait(connection.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in connection.tasks:
            task.cancel()
        await asyncio.gather(*connection.tasks, return_exceptions=True)
        self._connections.discard(connection)
        for each in (writer, server):
            each.close()

    async def _pass_requests(self, reader: asyncio.StreamReader, connection: Connection) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(CHUNK):
                await self._harm(piece)
                fate = self.judge(piece, connection)
                if fate == "cut before":
                    self._cut(connection)
                    return
                connection.deaf = connection.deaf or fate == "cut after"
                connection.server.write(piece)
                await connection.server.drain()

    async def _pass_answers(self, reader: asyncio.StreamReader, connection: Connection) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(CHUNK):
                await self._harm(piece)
                if connection.deaf:
                    self._cut(connection)
                    return
                if self.reset_after is not None and connection.passed + len(piece) > self.reset_after:
                    connection.client.write(piece[: self.reset_after - connection.passed])
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(connection.client.drain(), 1)
                    self._cut(connection)
                    return
                connection.passed += len(piece)
                connection.client.write(piece)
                await connection.client.drain()

    async def _harm(self, piece: bytes) -> None:
        await self._open.wait()
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.rate:
            await asyncio.sleep(len(piece) / self.rate)
            await self._open.wait()


def socket_of(dsn: str) -> Path:
    """The Unix socket behind a URL of the embedded PostgreSQL."""
    return Path(dsn.partition("host=")[2]) / ".s.PGSQL.5432"


def through(proxy: FaultProxy, dsn: str) -> str:
    """The same URL through the proxy."""
    database = dsn.partition("?")[0].rpartition("/")[2]
    return f"postgresql://postgres:@127.0.0.1:{proxy.port}/{database}"
