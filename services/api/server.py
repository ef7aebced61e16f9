"""The API's server: a worker of the engine, on its event loop."""

import asyncio
import getpass
import socket
import ssl
from collections.abc import Callable

import structlog
import uvicorn

from services.access import DEFAULT_HOST, DEFAULT_PORT, LAST_PORT, Access, Address
from services.api.app import build
from services.api.course import Course
from services.api.endpoint import Sources
from services.api.figures import Figures
from services.api.metrics import Metrics
from services.api.protocol import BoundedProtocol
from services.api.stream import Hub
from services.console.bus import Bus
from services.console.port import ConsolePort
from services.errors import UserError
from services.process.supervisor import Worker
from services.store.store import Store
from services.version import VERSION

log = structlog.get_logger("api")

BEAT_EVERY = 1.0
END_WITHIN = 2
"""Seconds that requests have when the server stops."""
MAX_DOWNLOADS = 4
STALLED_AFTER_MS = 60_000


class ApiServer(Worker):
    """Listens from `reserve` on, answers while it runs, and takes the same address again after a crash."""

    name = "api"

    def __init__(self, access: Access) -> None:
        super().__init__()
        self._access = access
        self._reserved: socket.socket | None = None
        self._sources: Sources | None = None
        self._server: uvicorn.Server | None = None
        self._polling: asyncio.Task[None] | None = None
        self._note = ""
        self.address: Address | None = None

    def reserve(self) -> None:
        """Take the address, before anything else is started. Raises UserError."""
        _check_certificate(self._access)
        self._reserved, self._note = _bound(self._access)
        host, port = self._reserved.getsockname()[:2]
        self.address = Address(host, port)

    def serve(self, port: ConsolePort, store: Store, bus: Bus, consoles: Callable[[], int] = lambda: 0) -> None:
        """What is to be answered from; `consoles` are attached."""
        hub, release = Hub(port), VERSION
        self._sources = Sources(
            port=port,
            store=store,
            hub=hub,
            figures=Figures(store, lambda: port.snapshot().clock),
            course=Course(),
            version=release,
            metrics=Metrics(port, bus, hub, consoles, release),
            downloads=asyncio.Semaphore(MAX_DOWNLOADS),
        )

    @property
    def url(self) -> str:
        """Where others find it."""
        return f"{'https' if self._access.encrypted else 'http'}://{self.address}"

    async def startup(self) -> None:
        """Listen."""
        assert self._sources is not None
        assert self.address is not None
        listening, self._reserved = self._reserved or _listening(self.address), None
        config = uvicorn.Config(
            build(self._sources, self._access, getpass.getuser()),
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=END_WITHIN,
            ssl_certfile=self._access.certificate,
            ssl_keyfile=self._access.key,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listening])
        self._server = server
        self._polling = asyncio.create_task(self._sources.hub.run(), name="api stream")
        log.info(f"API ready{self._note}", url=self.url)

    async def main_loop(self) -> None:
        """Answer until cancelled."""
        assert self._server is not None
        assert self._polling is not None
        assert self._sources is not None
        working = {asyncio.create_task(self._server.main_loop(), name="api server"), self._polling}
        try:
            done: set[asyncio.Task[None]] = set()
            while not done:
                self._sources.course.look(self._sources.port.snapshot())
                streams = self._sources.hub.clients
                self.beat(f"{self.url}{self._note}, {streams} stream{'' if streams == 1 else 's'}")
                done, _ = await asyncio.wait(working, timeout=BEAT_EVERY, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in working:
                task.cancel()

    async def shutdown(self) -> None:
        """End the streams, let requests in flight finish, close."""
        if self._polling is not None:
            self._polling.cancel()
            self._polling = None
        if self._sources is not None:
            self._sources.hub.close()
        if self._server is not None:
            server, self._server = self._server, None
            for connection in server.server_state.connections:
                # A client that reads nothing now would hold up the end.
                if isinstance(connection, BoundedProtocol) and connection.flow.write_paused:
                    connection.transport.abort()
            await server.shutdown()
        self.release()

    def release(self) -> None:
        """Let go of an address that was reserved and not used."""
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None


def _check_certificate(access: Access) -> None:
    if access.certificate is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(access.certificate, access.key)
    except OSError as error:
        raise UserError(
            f"The HTTP API cannot use the certificate {access.certificate} with the key {access.key}: {error}. "
            "Check api_certificate_file and api_key_file."
        ) from error


def _bound(access: Access) -> tuple[socket.socket, str]:
    """A listening socket, and what there is to say about its address. Raises UserError."""
    if access.address is not None:
        try:
            return _listening(access.address), ""
        except OSError as error:
            raise UserError(
                f"The HTTP API cannot listen on {access.address}: {error.strerror or error}. "
                "Name another address with --api HOST:PORT, or --api off."
            ) from error
    for port in range(DEFAULT_PORT, LAST_PORT + 1):
        try:
            listening = _listening(Address(DEFAULT_HOST, port))
        except OSError:
            continue
        return listening, "" if port == DEFAULT_PORT else f" (port {DEFAULT_PORT} is taken)"
    raise UserError(
        f"The HTTP API finds no free port from {DEFAULT_PORT} to {LAST_PORT}: name one with --api, or --api off."
    )


def _listening(address: Address) -> socket.socket:
    """Raises OSError where the address is taken or not ours."""
    family, kind, protocol, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Connections inherit it: the kernel ends one whose other side no longer takes anything.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_AFTER_MS)
        listening.bind(where)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening
