"""What is in the wheel besides the modules, and its first start."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from services.frontend.build import fingerprint, sources

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel that was built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    hatch = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(hatch, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(folder)
    return folder


def test_it_carries_the_web_frontend_of_the_checkout(unpacked: Path) -> None:
    assert sources() == CHECKOUT / "frontend"
    packaged = unpacked / "services" / "frontend" / "app"
    assert not (packaged / "node_modules").exists()
    assert fingerprint(packaged) == fingerprint(sources())


@pytest.mark.parametrize("package", ["domain", "simulator", "detectors", "services", "tui"])
def test_every_package_says_that_it_is_typed(unpacked: Path, package: str) -> None:
    assert (unpacked / package / "py.typed").is_file()


def test_it_carries_the_licence_and_the_schema(unpacked: Path) -> None:
    (licence,) = unpacked.glob("*.dist-info/licenses/LICENSE")
    assert licence.read_text() == (CHECKOUT / "LICENSE").read_text()
    assert (unpacked / "services" / "store" / "schema.sql").read_text() == (CHECKOUT / "schema.sql").read_text()
    migrations = Path("services", "store", "migrations")
    assert sorted((unpacked / migrations).glob("*.sql"))
    for migration in (unpacked / migrations).glob("*.sql"):
        assert migration.read_text() == (CHECKOUT / migrations / migration.name).read_text()


def test_its_first_start_says_that_it_compiles(unpacked: Path, tmp_path: Path, database_url: str) -> None:
    (unpacked / "start.py").write_text("from tui.main import main\n\nmain()\n")
    own = {"ANOMALY_TUI_DATA_DIR": str(tmp_path), "ANOMALY_TUI_API": "off", "DATABASE_URL": database_url}
    command = [sys.executable, "start.py", "--daemon"]
    with subprocess.Popen(
        command, cwd=unpacked, env={**os.environ, **own}, stderr=subprocess.PIPE, text=True
    ) as daemon:
        assert daemon.stderr is not None
        said = next((line for line in daemon.stderr if "compiling" in line or "engine started" in line), "")
        daemon.kill()
    assert "compiling the detectors for this machine" in said
