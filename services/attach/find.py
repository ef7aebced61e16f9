"""Where the engine of a data directory listens."""

from pathlib import Path

from services.attach.link import NotConnected, NotRunning
from services.process.lock import EngineLock, at_work


def engine_socket(data_dir: Path) -> Path:
    """The socket of the engine that runs on it. Raises NotRunning, or NotConnected where it cannot be reached."""
    holder = EngineLock(data_dir).holder()
    if not holder and not _readable(data_dir):
        raise NotConnected(f"You may not read {data_dir}: be the user who runs the engine (sudo -u USER ...).")
    if command := holder.get("command"):
        message = f"No engine runs on {data_dir}: {at_work(command)} (process {holder['pid']})."
        raise NotRunning(message, "no engine runs")
    if not holder:
        raise NotRunning(f"No engine runs on {data_dir}: start one with `anomaly-tui --daemon`.", "no engine runs")
    if "socket" not in holder:
        message = f"The engine on {data_dir} (process {holder.get('pid')}) has no socket yet: try again in a moment."
        raise NotConnected(message, "the engine starts")
    return Path(holder["socket"])


def _readable(data_dir: Path) -> bool:
    try:
        next(data_dir.iterdir(), None)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
