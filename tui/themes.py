"""The themes, and the styles that each gives to text."""

from dataclasses import dataclass
from datetime import datetime

from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from domain.triage import TriageStatus, is_open
from domain.verdict import ScoredTransaction, Severity, Verdict

THEMES = (
    Theme(
        name="dark",
        primary="#5fafff",
        secondary="#87d7d7",
        accent="#5fafff",
        warning="#e5b567",
        error="#ff6b6b",
        success="#7fca7f",
        foreground="#d8dee6",
        background="#10141a",
        surface="#161b22",
        panel="#1f2630",
        dark=True,
        variables={"dim": "#7d8896", "cursor": "#26384d"},
    ),
    Theme(
        name="light",
        primary="#0b5cad",
        secondary="#0f6f70",
        accent="#0b5cad",
        warning="#8a5a00",
        error="#b3202c",
        success="#1f7a33",
        foreground="#1d232b",
        background="#fafafa",
        surface="#f1f3f5",
        panel="#e4e8ec",
        dark=False,
        variables={"dim": "#66707c", "cursor": "#cfe3f7"},
    ),
    Theme(
        name="ansi",
        ansi=True,
        primary="ansi_blue",
        secondary="ansi_cyan",
        accent="ansi_cyan",
        warning="ansi_yellow",
        error="ansi_red",
        success="ansi_green",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        dark=True,
        variables=BUILTIN_THEMES["ansi-dark"].variables | {"dim": "ansi_default", "cursor": "ansi_default"},
    ),
)
"""The themes, in the order in which `t` goes through them."""


@dataclass(frozen=True)
class Palette:
    """Styles by their meaning. `base` has foreground and background, the others only add to it."""

    base: Style
    dim: Style
    strong: Style
    title: Style
    good: Style
    warn: Style
    bad: Style
    cursor: Style
    bar: Style
    critical: Style
    suspicious: Style
    unusual: Style

    def of(self, verdict: Verdict | None) -> Style:
        """The style of a verdict; plain when it is not flagged."""
        if verdict is None:
            return self.dim
        if verdict.status == "error":
            return self.bad
        if not verdict.flagged:
            return Style.null()
        return self.severity(verdict.severity)

    def state(self, row: ScoredTransaction, now: datetime) -> Style:
        """The style of the decision on a row; dim once nothing is left to do."""
        if is_open(row.triage, now):
            return self.strong if row.flagged else self.dim
        confirmed = row.triage is not None and row.triage.status is TriageStatus.CONFIRMED
        return self.bad if confirmed else self.dim

    def severity(self, severity: Severity) -> Style:
        """The colour of a severity."""
        if severity is Severity.CRITICAL:
            return self.critical
        return self.suspicious if severity is Severity.SUSPICIOUS else self.unusual


def palette(theme: Theme, *, colored: bool = True) -> Palette:
    """The styles of a theme; not `colored` where NO_COLOR is set.

    Without colour everything but what is dim is as bright as the text. As shades of grey, the red of the worst alerts
    would be the darkest of all.
    """

    def ink(color: str | None, *, bold: bool | None = None, dim: bool | None = None) -> Style:
        return Style(color=Color.parse(color or "ansi_default").rich_color, bold=bold, dim=dim)

    def hue(color: str | None, *, bold: bool | None = None) -> Style:
        return ink(color if colored else theme.foreground, bold=bold)

    def paper(color: str | None) -> Style:
        return Style(bgcolor=Color.parse(color or "ansi_default").rich_color)

    quiet = ink(theme.variables["dim"], dim=True) if theme.ansi else ink(theme.variables["dim"])
    return Palette(
        base=ink(theme.foreground) + paper(theme.background),
        dim=quiet,
        strong=Style(bold=True),
        title=hue(theme.primary, bold=True),
        good=hue(theme.success),
        warn=hue(theme.warning),
        bad=hue(theme.error, bold=True),
        cursor=Style(reverse=True) if theme.ansi else paper(theme.variables["cursor"]),
        bar=hue(theme.secondary),
        critical=hue(theme.error, bold=True),
        suspicious=hue(theme.warning, bold=True),
        unusual=hue(theme.warning),
    )
