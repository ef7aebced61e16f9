"""Notifications that collapse: the same kind within a second is one toast with a count."""

import re
import time
from collections.abc import Callable

from textual.notifications import Notification, SeverityLevel

from domain.sanitize import sanitize

WITHIN_SECONDS = 1.0
_NUMBER = re.compile(r"\d+")


class Notices:
    """What was said last of each kind; messages that differ only in their numbers are one kind."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._newest: dict[tuple[str, str, str], tuple[Notification, int, float]] = {}

    def say(
        self, message: str, *, title: str = "", severity: SeverityLevel = "information", timeout: float = 5.0
    ) -> tuple[Notification, bool]:
        """The notification that shows `message`, sanitised, and whether it is a new one.

        One that is shown already gets the newest message and how often its kind was said.
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
        """Nothing that was said is on screen any more."""
        self._newest.clear()

    def _forget(self, now: float) -> None:
        self._newest = {kind: said for kind, said in self._newest.items() if now - said[2] <= WITHIN_SECONDS}
