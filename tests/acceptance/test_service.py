"""The systemd unit: it parses, and names only what exists."""

import configparser
import shlex
import shutil
import subprocess
from math import log2
from pathlib import Path

import pytest

from services.commands.signals import SHUTDOWN_WITHIN
from services.settings import Settings
from tests.acceptance.session import Run

UNIT = Path(__file__).parents[2] / "deploy" / "anomaly-tui.service"
# As in the manual pages systemd.unit, systemd.service, systemd.exec and systemd.kill.
OPTIONS = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec", "StartLimitBurst"},
    "Install": {"WantedBy"},
    "Service": {
        *("Type", "NotifyAccess", "ExecStart", "User", "Group", "WorkingDirectory", "EnvironmentFile", "Environment"),
        *("ConfigurationDirectory", "StateDirectory", "StateDirectoryMode", "CacheDirectory", "RuntimeDirectory"),
        *("RuntimeDirectoryMode", "UMask", "TimeoutStartSec", "TimeoutStopSec", "WatchdogSec", "Restart", "RestartSec"),
        *("KillMode", "LimitNOFILE", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities"),
        *("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectClock", "ProtectHostname"),
        *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectControlGroups"),
        *("RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality"),
        *("SystemCallArchitectures", "SystemCallFilter"),
    },
}


@pytest.fixture
def lines() -> list[tuple[str, str, str]]:
    """The unit as section, option and value; an option may come more than once."""
    found = []
    section = ""
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert equals, line
            found.append((section, name, value))
    return found


def test_it_is_a_unit_and_every_option_is_one_of_systemd(lines: list[tuple[str, str, str]]) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(UNIT.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]
    for section, name, _ in lines:
        assert name in OPTIONS[section], f"[{section}] {name}"
    analyze = shutil.which("systemd-analyze")
    if analyze:
        checked = subprocess.run([analyze, "verify", str(UNIT)], capture_output=True, text=True, timeout=60)
        assert "Unknown" not in checked.stderr, checked.stderr


def test_its_command_and_its_variables_exist(lines: list[tuple[str, str, str]], run: Run) -> None:
    (command,) = [value for _, name, value in lines if name == "ExecStart"]
    program, *arguments = shlex.split(command)
    assert Path(program).name == "anomaly-tui"
    assert "--daemon" in arguments
    assert run(*arguments, "--help").returncode == 0
    assert run(*arguments, "--no-such-option", "--help").returncode != 0, "so that the line above says something"
    variables = [value.partition("=")[0] for _, name, value in lines if name == "Environment"]
    for variable in variables:
        if variable != "HOME":
            assert variable.removeprefix("ANOMALY_TUI_").lower() in Settings.model_fields


def test_it_starts_often_enough_to_set_a_record_aside_that_ends_the_process(lines: list[tuple[str, str, str]]) -> None:
    (most,) = [int(value) for _, name, value in lines if name == "StartLimitBurst"]
    # As `faults/test_broken_detectors.py` counts them.
    assert most > 3 + log2(Settings().batch_size) + 1


def test_its_directories_and_times_fit_the_daemon(lines: list[tuple[str, str, str]]) -> None:
    values = {name: value for section, name, value in lines if section == "Service"}
    assert values["Type"] == "notify"
    assert f"--data-dir /var/lib/{values['StateDirectory']} " in values["ExecStart"]
    assert values["RuntimeDirectoryMode"] == values["StateDirectoryMode"] == "0700"
    assert int(values["TimeoutStopSec"]) > SHUTDOWN_WITHIN
    assert int(values["WatchdogSec"]) > 0
