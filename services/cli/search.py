"""`anomaly-tui transactions`, `anomalies` and `users`: the filter language on the command line."""

import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from services.cli.options import DATABASE, command, configure
from services.errors import UserError
from services.settings import Loaded

MAX_ROWS = 1_000_000
_PANEL = "Look"
_NEGATION = re.compile(r'-[^-\W]{2}|-[("]')

FilterWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILTER", help="Such as: amount>500 country!=FR -merchant:grocery since:5m", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=MAX_ROWS, help="At most so many rows.")]
Follow = Annotated[bool, typer.Option("--follow", help="Go on with new rows as they are stored, until Ctrl-C.")]


class FilterCommand(TyperCommand):
    """A command whose arguments are a filter, in which `-merchant:grocery` is no option but a negation."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write negations with an exclamation mark, which means the same and stands in the same place."""
        return super().parse_args(ctx, [f"!{arg[1:]}" if _NEGATION.match(arg) else arg for arg in args])


def add_commands(app: typer.Typer) -> None:
    """Add the three commands to the command line."""

    @app.command(rich_help_panel=_PANEL, cls=FilterCommand)
    @command(*DATABASE)
    def transactions(
        loaded: Loaded,
        filter: FilterWords = None,
        follow: Follow = False,
        json: AsJson = False,
        csv: AsCsv = False,
        limit: Limit = 100,
    ) -> int:
        """Show the stored transactions that match a filter, newest first."""
        return _transactions(loaded, _query(filter, json, csv, limit), follow)

    @app.command(rich_help_panel=_PANEL, cls=FilterCommand)
    @command(*DATABASE)
    def anomalies(
        loaded: Loaded,
        filter: FilterWords = None,
        follow: Follow = False,
        json: AsJson = False,
        csv: AsCsv = False,
        limit: Limit = 100,
    ) -> int:
        """Show the flagged transactions that match a filter, newest first."""
        return _transactions(loaded, _query(filter, json, csv, limit, flagged_only=True), follow)

    @app.command(rich_help_panel=_PANEL, cls=FilterCommand)
    @command(*DATABASE)
    def users(
        loaded: Loaded, filter: FilterWords = None, json: AsJson = False, csv: AsCsv = False, limit: Limit = 100
    ) -> int:
        """Show the users with a transaction that matches a filter, the most often flagged first."""
        from services.commands import search

        configure(format="text", stderr=True, level="CRITICAL")
        return search.users(loaded.settings, _query(filter, json, csv, limit))

    @app.command(rich_help_panel=_PANEL)
    @command(*DATABASE)
    def events(
        loaded: Loaded,
        since: Annotated[
            str | None,
            typer.Option(
                "--since", metavar="TIME", help="1h, 2d, today, 2026-03-01. Default: all.", show_default=False
            ),
        ] = None,
        json: AsJson = False,
        limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1_000, help="At most so many.")] = 100,
    ) -> int:
        """Show what changed, newest first: restarts, outages, fits, rebalances, losses and decisions."""
        from services.commands import events

        configure(format="text", stderr=True, level="CRITICAL")
        return events.show(loaded.settings, since=since, limit=limit, as_json=json)


def _transactions(loaded: Loaded, query: Any, follow: bool) -> int:
    from services.commands import search

    configure(format="text", stderr=True, level="CRITICAL")
    return search.transactions(loaded.settings, query, follow=follow)


def _query(words: list[str] | None, json: bool, csv: bool, limit: int, *, flagged_only: bool = False) -> Any:
    """The question that the arguments ask. Raises UserError."""
    from services.commands.search import Query
    from services.records.export import Format

    if json and csv:
        raise UserError("Give --json or --csv, not both.")
    return Query(" ".join(words or ()), Format.JSONL if json else Format.CSV if csv else None, limit, flagged_only)
