"""Notifications to a service manager such as systemd: ready, alive, stopping. See sd_notify(3)."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping

import structlog

log = structlog.get_logger("notify")

_MICROSECONDS = 1_000_000


class ServiceManager:
    """The service manager that started this process; without one, notifications go nowhere."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with an @, and begins with a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        asked = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(asked) / _MICROSECONDS if asked.isdigit() and ours else 0.0

    def say(self, *lines: str) -> None:
        """Send a notification; one that cannot be sent is logged and no reason to stop."""
        if not self._address:
            return
        text = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as sender:
                sender.setblocking(False)
                sender.sendto(text.encode(), self._address)
        except OSError as error:
            log.warning("the service manager cannot be reached", error=str(error))

    async def keep_watching(self, alive: Callable[[], bool]) -> None:
        """Send a sign of life twice in the watchdog's interval, while the event loop turns and `alive` is true."""
        if not self.watchdog_seconds:
            return
        while True:
            if alive():
                self.say("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds / 2)
