"""`anomaly-tui run-frontend`."""

from typing import Annotated

import typer

from services.cli.options import LOGS, command, configure
from services.settings import Loaded


def add_commands(app: typer.Typer) -> None:
    """Add the command to the command line."""

    @app.command("run-frontend", rich_help_panel="Run")
    @command("data_dir", "browser", *LOGS)
    def run_frontend(
        loaded: Loaded,
        port: Annotated[
            int | None,
            typer.Option(
                min=0, max=65_535, help="Where it listens. Default: 3000, or the next free one.", show_default=False
            ),
        ] = None,
        api_url: Annotated[
            str | None,
            typer.Option(
                metavar="URL",
                help="The HTTP API to show. Default: that of the engine on the data directory.",
                show_default=False,
            ),
        ] = None,
    ) -> int:
        """Serve the web frontend alone, for an engine that runs: a console or a daemon.

        The first time it is built, which needs Node.js 20.9 or newer, the network, and about a minute.
        """
        from services.commands.frontend import run_frontend

        settings = loaded.settings
        configure(format=settings.log_format, file=settings.log_file, stderr=True, level="ERROR")
        if port is not None:
            settings = settings.model_copy(update={"frontend_port": port})
        return run_frontend(settings, api_url=api_url)
