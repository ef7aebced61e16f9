"""HTTP/1.1 for clients that may mean ill: framing that has one meaning only, a deadline on every request, and room for
those who come while others hold connections and ask nothing."""

import asyncio
import re
from typing import Any, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from services.api.problems import Problem

MAX_CONNECTIONS = 512
MAX_HEAD = 64 * 1024
HEAD_WITHIN = 10.0
"""Seconds from the first moment in which a request could come to the end of its headers."""
BODY_WITHIN = 30.0
TAKEN_WITHIN = 60.0
"""Seconds that a client has for the next 48 KiB of an answer, once its socket is full."""

_HEAD_ENDS = re.compile(rb"\n\r?\n")
_TWO_MEANINGS = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]")
"""A bare LF or CR, or a header that goes on in the next line: servers differ in what they take them for."""
_WITHIN = {h11.IDLE: HEAD_WITHIN, h11.SEND_BODY: BODY_WITHIN}


class StrictConnection(h11.Connection):
    """Refuses what two servers behind each other could read as different requests: RFC 9112, section 11.2."""

    def next_event(self) -> Any:
        """As h11's. Raises RemoteProtocolError."""
        if self.their_state is h11.IDLE:
            waiting = self.trailing_data[0]
            if end := _HEAD_ENDS.search(waiting):
                _check_head(waiting[: end.end()])
        return super().next_event()


def _check_head(head: bytes) -> None:
    if _TWO_MEANINGS.search(head):
        raise h11.RemoteProtocolError("a line of the headers does not end in CRLF, or goes on in the next")
    request, *fields = head.lower().split(b"\r\n")
    names = [field.partition(b":")[0] for field in fields]
    lengths = names.count(b"content-length")
    if lengths > 1 or any(field.startswith(b"content-length:") and b"," in field for field in fields):
        raise h11.RemoteProtocolError("the length of the body is given more than once")
    if not request.endswith((b" http/1.1", b" http/1.0")):
        raise h11.RemoteProtocolError("this version of HTTP is not spoken")
    if b"transfer-encoding" in names and (lengths or request.endswith(b"1.0")):
        raise h11.RemoteProtocolError("the body has a length and is chunked")


class BoundedProtocol(H11Protocol):
    """One connection. It ends when its request, or the taking of its answer, lasts too long."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = StrictConnection(h11.SERVER, MAX_HEAD)
        self._awaited: Any = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make room for it."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._watch()
        if len(self.connections) > MAX_CONNECTIONS:
            self._longest_silent.transport.abort()

    @property
    def _longest_silent(self) -> "BoundedProtocol":
        """The connection whose request has been awaited for longest; this one where there is none."""
        found = [each for each in self.connections if isinstance(each, BoundedProtocol) and each._deadline is not None]
        return min(found, key=lambda each: each._since, default=self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its deadlines."""
        for timer in (self._deadline, self._stalled):
            if timer is not None:
                timer.cancel()
        self._deadline = self._stalled = None
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """As uvicorn's; whatever a request becomes, it becomes here."""
        super().handle_events()
        self._watch()

    def _watch(self) -> None:
        if self.conn.their_state is self._awaited and self._deadline is not None:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._awaited = self.conn.their_state
        if self._awaited in _WITHIN and not self.transport.is_closing():
            self._since = self.loop.time()
            self._deadline = self.loop.call_later(_WITHIN[self._awaited], self._too_slow)

    def _too_slow(self) -> None:
        self._deadline = None
        if self._awaited is h11.IDLE and not self.conn.trailing_data[0]:
            self.transport.close()
        else:
            self._refuse(Problem(408, "the request did not come in time"))

    def pause_writing(self) -> None:
        """Its socket is full: it has to read."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(TAKEN_WITHIN, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What came is no request."""
        self._refuse(Problem(400, "this is no HTTP request, or one that can be read in two ways"))

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, as far as no answer has begun, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = problem.response
            headers = [*answer.raw_headers, (b"cache-control", b"no-store"), (b"connection", b"close")]
            for event in (
                h11.Response(status_code=answer.status_code, headers=headers),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:
            # What the application still answers goes nowhere.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _should_upgrade(self) -> bool:
        """There is nothing to upgrade to; uvicorn's own logs two lines each time that it is asked."""
        return False
