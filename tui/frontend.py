"""What the console says of the web frontend."""

from textual.notifications import SeverityLevel

from domain.engine import Snapshot, WorkerState, WorkerStatus

FRONTEND = "frontend"


def frontend_of(snapshot: Snapshot) -> WorkerStatus | None:
    """The worker, None where the engine has none."""
    return next((worker for worker in snapshot.workers if worker.name == FRONTEND), None)


class FrontendNews:
    """Tells when the web frontend is there, and when it is not for a reason; its start may take a minute."""

    def __init__(self) -> None:
        self._state: WorkerState | None = None

    def of(self, snapshot: Snapshot) -> tuple[str, SeverityLevel] | None:
        """What there is to say since the last time."""
        worker = frontend_of(snapshot)
        before, self._state = self._state, None if worker is None else worker.state
        if worker is None or worker.state == before:
            return None
        if worker.state == "running" and before != "degraded":
            return f"web frontend: {worker.detail}", "information"
        if worker.state == "failed":
            return f"web frontend: {worker.last_error}", "error"
        if worker.state == "backoff":
            return f"web frontend: {worker.last_error}; it is started again", "warning"
        return None
