"""Opening a browser, where there is somebody to look at it."""

import asyncio
import os
import sys


def has_display() -> bool:
    """Whether a browser would open in front of the user: a display, and not one at the far end of SSH."""
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


async def show(url: str) -> None:
    """Open the user's browser. What it says goes nowhere: the terminal may be the console's."""
    # Not one of our children: it stays when we end.
    await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "webbrowser",
        url,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
