"""`anomaly-tui config`: every setting with its source, secrets left out."""

from pydantic import SecretStr
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from domain.sanitize import sanitize
from services.process.redaction import redacted
from services.settings import Loaded, Settings


def show(loaded: Loaded) -> int:
    """Print one line a setting."""
    # A name that is cut cannot be copied into the configuration.
    name_column = Column("setting", min_width=max(map(len, Settings.model_fields)))
    table = Table(name_column, "value", "from", "meaning", box=None, pad_edge=False, header_style="bold")
    for name, field in Settings.model_fields.items():
        value = getattr(loaded.settings, name)
        source = loaded.sources[name]
        table.add_row(
            name,
            Text(_shown(name, value), style="" if source == "default" else "bold"),
            Text(source, style="dim" if source == "default" else ""),
            Text(field.description or "", style="dim"),
        )
    Console().print(table)
    return 0


def _shown(name: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, SecretStr):
        return redacted(value.get_secret_value()) if name.endswith("_url") else "***"
    return sanitize(str(value))
