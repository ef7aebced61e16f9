"""How the web frontend reaches an engine's HTTP API."""

from pathlib import Path
from typing import NamedTuple

from services.access import Access
from services.frontend.errors import FrontendError
from services.process.lock import EngineLock


class Reach(NamedTuple):
    """The base URL of an API, and what it wants to know or show: a token, and the certificate of its own."""

    url: str
    token: str | None = None
    certificate: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the web frontend's server finds the API."""
        given = {
            "ANOMALY_TUI_API": self.url,
            "ANOMALY_TUI_API_TOKEN": self.token,
            "NODE_EXTRA_CA_CERTS": self.certificate and str(self.certificate),
        }
        return {name: value for name, value in given.items() if value}

    def __repr__(self) -> str:
        return f"Reach({self.url})"


def reach_of(url: str, access: Access | None) -> Reach:
    """The API at `url`, asked with the first token that opens it."""
    if access is None:
        return Reach(url)
    return Reach(url, access.tokens[0].secret if access.tokens else None, access.certificate)


def reach_running(data_dir: Path, access: Access | None) -> Reach:
    """The API of the engine that runs on a data directory. Raises FrontendError."""
    engine = EngineLock(data_dir).holder()
    if not engine or "command" in engine:
        raise FrontendError(
            f"No engine runs on {data_dir}: start one with `anomaly-tui`, or name its API with --api-url."
        )
    url = engine.get("api")
    if url is None and "socket" not in engine:
        raise FrontendError(f"The engine on {data_dir} (process {engine['pid']}) starts: try again in a moment.")
    if url is None:
        raise FrontendError("The engine runs without its HTTP API: start it without --api off.")
    return reach_of(str(url), access)
