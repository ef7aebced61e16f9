"""Notifications that collapse: several of one kind within a second become one toast with a count."""

import re
import time
from collections.abc import Callable

from textual.notifications import Notification, SeverityLevel

from domain.sanitize import sanitize

WITHIN_SECONDS = 1.0
_NUMBER = re.compile(r"\d+")


class Notices:
    """The newest notification of each kind. Messages that differ only in their numbers are of one kind."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._newest: dict[tuple[str, str, str], tuple[Notification, int, float]] = {}

    def say(
        self, message: str, *, title: str = "", severity: SeverityLevel = "information", timeout: float = 5.0
    ) -> tuple[Notification, bool]:
        """The notification for `message`, sanitised, and whether it is a new one.

        A notification that is still on screen gets the new message, and the count of its kind.
        """
        now = self._clock()
        kind = (severity, title, _NUMBER.sub("#", message))
        message = sanitize(message)
        notification, count, at = self._newest.get(kind, (None, 0, 0.0))
        if notification is None or now - at > WITHIN_SECONDS or notification.has_expired:
            self._forget(now)
            notification = Notification(message, sanitize(title), severity, timeout)
            self._newest[kind] = notification, 1, now
            return notification, True
        notification.message = f"{message} (×{count + 1})"
        self._newest[kind] = notification, count + 1, now
        return notification, False

    def clear(self) -> None:
        """Forget everything: no notification is on screen any more."""
        self._newest.clear()

    def _forget(self, now: float) -> None:
        self._newest = {kind: said for kind, said in self._newest.items() if now - said[2] <= WITHIN_SECONDS}
