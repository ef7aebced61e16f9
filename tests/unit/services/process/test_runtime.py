"""Where an engine has its socket."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import UserError
from services.process.runtime import RuntimeFolder

DATA = Path("/var/lib/anomaly-tui")


@pytest.fixture
def session() -> Iterator[Path]:
    """Such as XDG_RUNTIME_DIR; short, as those are."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        yield Path(folder)


def test_a_service_has_it_where_its_manager_says(session: Path) -> None:
    both = {"RUNTIME_DIRECTORY": f"{session}:/elsewhere", "XDG_RUNTIME_DIR": "/run/user/0"}
    assert RuntimeFolder(DATA, both).path.parent == session


def test_a_session_has_it_in_its_own_folder_else_under_tmp(session: Path) -> None:
    assert RuntimeFolder(DATA, {"XDG_RUNTIME_DIR": str(session)}).path.parent == session / "anomaly-tui"
    under_tmp = Path(f"/tmp/anomaly-tui-{os.geteuid()}")
    assert RuntimeFolder(DATA, {}).path.parent == under_tmp
    assert RuntimeFolder(DATA, {"XDG_RUNTIME_DIR": "/nonexistent"}).path.parent == under_tmp
    deep = session / ("d" * 100)
    deep.mkdir()
    assert RuntimeFolder(DATA, {"XDG_RUNTIME_DIR": str(deep)}).path.parent == under_tmp, "a socket's path is short"


def test_every_data_directory_has_its_own() -> None:
    assert RuntimeFolder(DATA, {}).path != RuntimeFolder(DATA / "other", {}).path
    assert len(os.fsencode(RuntimeFolder(Path("/" + "deep/" * 100), {}).socket)) < 100


def test_it_is_private_and_goes_again(session: Path) -> None:
    folder = RuntimeFolder(DATA, {"XDG_RUNTIME_DIR": str(session)})
    folder.open()
    folder.open()
    for made in (folder.path, folder.path.parent):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    folder.close()
    assert not folder.path.exists()


def test_an_engine_that_outlives_its_session_goes_on_under_tmp(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="run-") as session:
        folder = RuntimeFolder(tmp_path, {"XDG_RUNTIME_DIR": session})
        folder.open()
        assert folder.path.is_relative_to(session)
    folder.open()
    assert folder.path.parent == Path(f"/tmp/anomaly-tui-{os.geteuid()}")
    folder.close()


@pytest.mark.parametrize("trap", ["open to others", "a link", "a file"])
def test_a_folder_that_is_a_trap_is_refused(session: Path, trap: str) -> None:
    folder = RuntimeFolder(DATA, {"XDG_RUNTIME_DIR": str(session)})
    parent = folder.path.parent
    if trap == "a link":
        (session / "target").mkdir(mode=0o700)
        parent.symlink_to(session / "target")
    elif trap == "a file":
        parent.touch()
    else:
        parent.mkdir()
        parent.chmod(0o770)
    with pytest.raises((UserError, FileExistsError)):
        folder.open()
