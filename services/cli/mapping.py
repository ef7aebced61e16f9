"""The options that say how foreign records become ours, and the command that guesses them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import SERVERS, command
from services.errors import UserError
from services.records.files import Reading
from services.records.mapping import Mapping
from services.records.numerals import Numerals
from services.settings import Loaded, Settings


class Preset(StrEnum):
    """The envelopes, as `--preset` names them."""

    DEBEZIUM = "debezium"
    CLOUDEVENTS = "cloudevents"


MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="FILE.toml",
        help="Says which field of the records is which of ours; see `mapping guess`.",
        show_default=False,
    ),
]
PresetName = Annotated[
    Preset | None,
    typer.Option("--preset", help="What records are wrapped in. Default: nothing.", show_default=False),
]
Constants = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="A field the source lacks: --set currency=USD.", show_default=False
    ),
]


def chosen_mapping(
    settings: Settings,
    file: Path | None,
    preset: Preset | None,
    constants: list[str] | None = None,
    *,
    decimal: str | None = None,
    thousands: str | None = None,
) -> Mapping | None:
    """The mapping of the option, else of the configuration, with all that other options add to it.

    None where nothing says that records are not ours. Raises UserError.
    """
    found = None
    if file is not None:
        found = Mapping.load(file)
    elif settings.mapping is not None:
        found = Mapping.from_dict(settings.mapping)
    if preset is not None:
        found = (found or Mapping()).with_preset(preset.value)
    if decimal is not None or thousands is not None:
        try:
            found = (found or Mapping()).with_numerals(Numerals.of(decimal, thousands))
        except ValueError as error:
            raise UserError(f"--decimal and --thousands: {error}.") from None
    if settings.schema_registry is not None:
        from services.commands.mapping import registry_of

        found = (found or Mapping()).with_registry(registry_of(settings, settings.schema_registry))
    if not constants:
        return found
    pairs = {}
    for constant in constants:
        name, equals, value = constant.partition("=")
        if not equals or not name:
            raise UserError(f"--set {constant}: write FIELD=VALUE, such as --set currency=USD.")
        pairs[name] = value
    return (found or Mapping()).with_constants(pairs)


def add_commands(app: typer.Typer) -> None:
    """Add `anomaly-tui mapping ...`."""
    group = typer.Typer(help="Guess how the records of a file or topic become ours.", no_args_is_help=True)

    @group.command()
    @command(*SERVERS)
    def guess(
        loaded: Loaded,
        source: Annotated[str, typer.Argument(metavar="FILE|TOPIC", help="What to look at.", show_default=False)],
        output: Annotated[
            Path | None, typer.Option("--output", "-o", metavar="FILE.toml", help="Default: stdout.")
        ] = None,
        preset: PresetName = None,
        rows: Annotated[int, typer.Option(min=1, max=100_000, help="Records to look at.")] = 1_000,
        delimiter: Annotated[str | None, typer.Option(metavar="SIGN", help="Of a file. Default: detected.")] = None,
        encoding: Annotated[str | None, typer.Option(metavar="NAME", help="Of a file. Default: detected.")] = None,
        skip: Annotated[int, typer.Option(min=0, help="Lines of a file before the one that names the columns.")] = 0,
    ) -> int:
        """Look at a sample of a file or topic and write a mapping to start from."""
        from services.commands import mapping

        reading = Reading.of(delimiter=delimiter, encoding=encoding, skip=skip)
        return mapping.guess(loaded.settings, source, preset.value if preset else None, rows, output, reading)

    app.add_typer(group, name="mapping", rich_help_panel="Files")
