"""The entry point of the `anomaly-tui` command: the command line, and how it opens the console."""

from services.cli.app import build, run
from services.cli.plan import RunPlan
from services.settings import Settings


def open_console(settings: Settings, plan: RunPlan) -> int:
    """Show the console with an engine of its own. The console is imported only when it is shown."""
    from tui.launch import with_engine

    return with_engine(settings, plan)


def attach_console(settings: Settings) -> int:
    """Show the console of the engine that runs on this data directory."""
    from tui.launch import attached

    return attached(settings)


def main() -> None:
    """The `anomaly-tui` command."""
    run(build(open_console, attach_console))
