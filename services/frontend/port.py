"""Choosing the port of the web frontend."""

import socket

from services.frontend.errors import FrontendError

PORT = 3000
_TRIED = 20


def free_port(wanted: int | None) -> tuple[int, str]:
    """The port to listen on, and a remark on it for people, empty where there is nothing to remark.

    Without a wish it is 3000 or the next free one. Raises: FrontendError when a wanted port is taken.
    """
    if wanted == 0:
        return _any(), ""
    first = PORT if wanted is None else wanted
    if _free(first):
        return first, ""
    others = range(first + 1, min(first + _TRIED, 65_536))
    free = next((port for port in others if _free(port)), None)
    if wanted is not None or free is None:
        hint = f"; {free} is free" if free is not None else ""
        raise FrontendError(f"Port {first} is taken, where the web frontend should be: choose another port{hint}.")
    return free, f" (port {first} is taken)"


def _free(port: int) -> bool:
    """Whether the port is free: on the address that we bind, and on the one a browser tries first for localhost."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((address, port)) == 0:
                return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
