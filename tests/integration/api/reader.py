"""A client of the live stream, as near to the socket as can be."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from services.api.server import ApiServer


class Event(NamedTuple):
    """A server-sent event; `id` is "" where it has none."""

    name: str
    id: str
    data: Any


def events_of(text: str) -> Iterator[Event]:
    """The events in a piece of a stream that ends with one."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "event" in fields:
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))


class Reader:
    """A client on a socket, which may leave it alone for a while."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, api: ApiServer, query: str = "", *, room: int | None = None) -> "Reader":
        """Ask for the stream; returns when the answer has begun. `room` bounds what may lie in the socket unread."""
        assert api.address is not None
        sock = socket.socket()
        sock.setblocking(False)
        if room is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        await asyncio.get_running_loop().sock_connect(sock, api.address)
        reader, writer = await asyncio.open_connection(sock=sock, limit=2**14)
        writer.write(f"GET /api/stream{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return cls(reader, writer)

    async def events(self) -> AsyncIterator[Event]:
        """Events as they come, until the server ends the stream."""
        while True:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            chunk = await self._reader.readexactly(size)
            await self._reader.readexactly(2)
            if not size:
                return
            for event in events_of(chunk.decode()):
                yield event
