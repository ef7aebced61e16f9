"""Commands that were started without standard streams, as some service managers and cron wrappers do."""

import subprocess
from pathlib import Path

import pytest

from tests.acceptance.session import COMMAND


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("score", "-"), "standard input: the file is empty"),
        (("replay", "-"), "standard input: the file is empty"),
        (("reset",), "Nothing was deleted"),
        ((), "The console needs a terminal"),
    ],
)
def test_a_closed_standard_input_is_an_empty_one(
    environment: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", COMMAND, *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1, ended.stderr
    assert says in ended.stdout + ended.stderr


def test_without_any_stream_the_exit_code_tells(environment: dict[str, str], tmp_path: Path) -> None:
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", COMMAND], env=environment, cwd=tmp_path, timeout=120
    )
    assert ended.returncode == 1
