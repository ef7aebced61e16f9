"""What `--help` shows of every command."""

import pytest
from typer.testing import CliRunner

from services.cli.app import build

COMMANDS = (
    "run-system",
    "run-enhanced",
    "run-frontend",
    "produce",
    "detect",
    "attach",
    "status",
    "stop",
    "restart",
    "replay",
    "score",
    "evaluate",
    "init-db",
    "init-user-profiles",
    "model",
    "transactions",
    "anomalies",
    "users",
    "stats",
    "reset",
    "backup",
    "restore",
    "doctor",
    "config",
)


def nothing(*_: object) -> int:
    raise AssertionError("help opens no console")


APP = build(nothing, nothing)


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(APP, ["--help"])
    assert shown.exit_code == 0
    assert all(command in shown.stdout for command in COMMANDS)
    assert "…" not in shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_of_a_command_s_help_is_cut(command: str) -> None:
    shown = CliRunner().invoke(APP, [command, "--help"])
    assert shown.exit_code == 0
    assert "…" not in shown.stdout
