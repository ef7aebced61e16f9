"""The version that the program gives as its own."""

import subprocess
import sys
from importlib.metadata import version

from services.version import VERSION

UNINSTALLED = """
import importlib.metadata as metadata
installed = metadata.version

def version(name):
    if name == "anomaly-tui":
        raise metadata.PackageNotFoundError(name)
    return installed(name)

metadata.version = version
from tui.main import main
main()
"""


def test_a_checkout_that_is_not_installed_knows_its_version() -> None:
    ran = subprocess.run([sys.executable, "-c", UNINSTALLED, "--version"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"anomaly-tui {VERSION}\n"), ran.stderr


def test_the_package_is_built_with_the_same_version() -> None:
    assert version("anomaly-tui") == VERSION
