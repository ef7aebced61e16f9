"""Help: every key of the screen below, and the filter language."""

from rich.text import Text

from tui import keymap
from tui.panes import line
from tui.screens.modal import Modal
from tui.themes import Palette

_SECTIONS = (
    ("Everywhere", keymap.APP),
    ("Live", keymap.LIVE),
    ("Triage of the row under the cursor, else of the newest anomaly", (*keymap.TRIAGE, *keymap.BULK)),
    ("Anomalies", tuple(binding for binding in keymap.ANOMALIES if binding not in keymap.LIVE)),
    ("Health, Logs and windows", keymap.READING),
)
_FILTER = (
    "amount>500 country!=FR",
    "user:u-00* score>=.9",
    "why:velocity -merchant:grocery",
    'since:5m "free text"',
    "triage:open severity=critical",
)
_MARKS = (
    ("▲ CRIT", "flagged, score .9 and above"),
    ("◆ SUSP", "flagged, .7 to .9"),
    ("● UNUS", "flagged, below .7"),
    ("~", "warming up: the detector still learns"),
    ("✗", "the detector raised an error"),
    ("open", "nobody has decided on it"),
    ("ack FRAUD", "acknowledged; confirmed as fraud"),
    ("false+", "false positive: no fraud"),
    ("zzz 3h", "snoozed, open again in 3 hours"),
)


class Help(Modal):
    """Keys, marks and the filter language."""

    TITLE = "Help"

    def lines(self, width: int, palette: Palette) -> list[Text]:
        """One key a line."""
        lines: list[Text] = []
        for title, bindings in _SECTIONS:
            lines.append(line((f" {title}", palette.title), width=width))
            for binding in bindings:
                lines.append(
                    line((f"   {keymap.shown_key(binding):<12}", palette.strong), binding.description, width=width)
                )
            lines.append(Text(""))
        lines.append(line((" Marks", palette.title), width=width))
        lines += [line((f"   {mark:<12}", palette.strong), meaning, width=width) for mark, meaning in _MARKS]
        lines.append(Text(""))
        lines.append(line((" Filter", palette.title), width=width))
        lines += [line(f"   {example}", width=width) for example in _FILTER]
        return lines
