"""`anomaly-tui init-db`, `stats`, `quality`, `model` and the like: what is stored."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.mapping import MappingFile, PresetName, chosen_mapping
from services.cli.options import DATABASE, DETECTION, SERVERS, command
from services.settings import Loaded


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the command line."""

    @app.command("init-db", rich_help_panel="Data")
    @command(*DATABASE)
    def init_db(loaded: Loaded) -> int:
        """Create the database and its schema."""
        from services.commands import data

        return data.init_db(loaded.settings)

    @app.command("init-user-profiles", rich_help_panel="Data")
    @command(*DATABASE)
    def init_user_profiles(loaded: Loaded) -> int:
        """Rebuild every user profile from stored history."""
        from services.commands import profiles

        return profiles.init_user_profiles(loaded.settings)

    app.add_typer(_models(), name="model", rich_help_panel="Data")

    @app.command(rich_help_panel="Data")
    @command(*DATABASE)
    def stats(
        loaded: Loaded, json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False
    ) -> int:
        """Show what is stored and what runs."""
        from services.commands import data

        return data.stats(loaded.settings, as_json=json)

    @app.command(rich_help_panel="Data")
    @command(*SERVERS)
    def reconcile(
        loaded: Loaded,
        mapping: MappingFile = None,
        preset: PresetName = None,
        json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    ) -> int:
        """Account for every offset that Kafka still has: stored, sent again, dead letter, skipped, aborted, waiting.

        Exit code 1 when one does not add up: it is named. Give the --mapping and --preset of the engine.
        """
        from services.commands import reconcile

        chosen = chosen_mapping(loaded.settings, mapping, preset)
        return reconcile.reconcile(loaded.settings, mapping=chosen, as_json=json)

    @app.command(rich_help_panel="Data")
    @command(*DATABASE)
    def quality(
        loaded: Loaded,
        since: Annotated[
            str | None,
            typer.Option(
                "--since", metavar="TIME", help="1d, 2h, today, 2026-03-01. Default: all.", show_default=False
            ),
        ] = None,
        thresholds: Annotated[
            bool, typer.Option("--thresholds", help="What other thresholds would have flagged, before applying one.")
        ] = False,
        at: Annotated[
            list[float] | None,
            typer.Option(
                "--at",
                metavar="SCORE",
                help="A threshold to compare; may be repeated. With --thresholds.",
                show_default=False,
            ),
        ] = None,
        json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    ) -> int:
        """Show precision, recall and alert rate of the detectors where ground truth is stored."""
        from services.commands import quality

        if thresholds or at:
            return quality.compare(loaded.settings, at or (), since=since, as_json=json)
        return quality.show(loaded.settings, since=since, as_json=json)

    @app.command(rich_help_panel="Data")
    @command(*DATABASE)
    def reset(loaded: Loaded, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> int:
        """Delete all stored transactions, verdicts, profiles and models."""
        from services.commands import data

        return data.reset(loaded.settings, assume_yes=yes)

    @app.command(rich_help_panel="Data")
    @command(*DATABASE)
    def backup(
        loaded: Loaded, file: Annotated[Path, typer.Argument(help="Where to write it.", show_default=False)]
    ) -> int:
        """Write everything that is stored to a file, also beside an engine that runs."""
        from services.commands import backup

        return backup.backup(loaded.settings, file)

    @app.command(rich_help_panel="Data")
    @command(*DATABASE)
    def restore(
        loaded: Loaded, file: Annotated[Path, typer.Argument(help="What `backup` wrote.", show_default=False)]
    ) -> int:
        """Restore what `backup` wrote into an empty database. An engine then goes on where it was."""
        from services.commands import backup

        return backup.restore(loaded.settings, file)


def _models() -> typer.Typer:
    """`anomaly-tui model ...`."""
    group = typer.Typer(
        help="List the fitted models, fit now, use another version or the one before.", no_args_is_help=True
    )

    @group.command("list")
    @command(*DATABASE)
    def show(loaded: Loaded) -> int:
        """Show every version with the history it was fitted on, and what it has judged since, and how well."""
        from services.commands import model

        return model.show(loaded.settings)

    @group.command()
    @command(*DATABASE, *DETECTION)
    def fit(loaded: Loaded) -> int:
        """Fit the detectors now on stored history and use them."""
        from services.commands import model

        return model.fit(loaded.settings)

    @group.command()
    @command(*DATABASE)
    def use(
        loaded: Loaded, version: Annotated[str, typer.Argument(help="As `model list` shows it.", show_default=False)]
    ) -> int:
        """Take one version into use; running engines follow within seconds."""
        from services.commands import model

        return model.use(loaded.settings, version)

    @group.command()
    @command(*DATABASE)
    def rollback(loaded: Loaded) -> int:
        """Go back to the version before the one in use."""
        from services.commands import model

        return model.rollback(loaded.settings)

    return group
