"""Where a bug of ours leaves its traceback."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from services.cli.options import command
from services.settings import Loaded


def test_it_is_kept_in_the_data_directory_that_was_asked_for(tmp_path: Path) -> None:
    app = typer.Typer()

    @app.command()
    @command("data_dir")
    def fail(loaded: Loaded) -> int:
        raise RuntimeError("a bug")

    ended = CliRunner().invoke(app, ["--data-dir", str(tmp_path / "mine")])
    assert ended.exit_code == 70
    assert "RuntimeError: a bug" in (tmp_path / "mine" / "crash.log").read_text()
