"""The state of the web frontend, and notifications about its changes."""

from textual.notifications import SeverityLevel

from domain.engine import Snapshot, WorkerState, WorkerStatus

FRONTEND = "frontend"


def frontend_of(snapshot: Snapshot) -> WorkerStatus | None:
    """The worker of the web frontend; None when the engine has none."""
    return next((worker for worker in snapshot.workers if worker.name == FRONTEND), None)


class FrontendNews:
    """Notifications for when the web frontend has started or failed. Starting may take a minute."""

    def __init__(self) -> None:
        self._state: WorkerState | None = None

    def of(self, snapshot: Snapshot) -> tuple[str, SeverityLevel] | None:
        """The notification for the change since the last call; None when there is nothing to say."""
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
