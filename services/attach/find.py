"""Where the engine of a data directory listens."""

from pathlib import Path

from services.attach.link import NotConnected
from services.lock import EngineLock


def engine_socket(data_dir: Path) -> Path:
    """The socket of the engine that runs on it. Raises NotConnected."""
    lock = EngineLock(data_dir)
    holder = lock.holder()
    if not holder or not lock.taken:
        raise NotConnected(f"No engine runs on {data_dir}: start one with `anomaly-tui --daemon`.")
    if "socket" not in holder:
        raise NotConnected(f"The engine on {data_dir} (process {holder.get('pid')}) has no socket yet: try again soon.")
    return Path(holder["socket"])
