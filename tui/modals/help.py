"""Help: every key, the marks, and the filter language."""

from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType

from tui import cells, keymap
from tui.console import keys_of
from tui.modals.modal import Modal
from tui.themes import Palette
from tui.widgets.drawing import line

_DECIDING = (*keymap.TRIAGE, *keymap.BULK)
_SECTIONS = (
    ("Everywhere", keymap.APP),
    ("Live", tuple(binding for binding in keymap.LIVE if binding not in _DECIDING)),
    ("Triage of the row under the cursor, else of the newest anomaly", _DECIDING),
    ("Anomalies", tuple(binding for binding in keymap.ANOMALIES if binding not in keymap.LIVE)),
    ("Filter line", keymap.FILTER),
    ("Views", keymap.VIEWS),
    ("Export", keymap.EXPORT),
    ("Users", keymap.USERS),
    ("Workers", keymap.WORKERS),
    ("Health", keymap.HEALTH),
    ("Health, Logs and windows", keymap.READING),
)
_FILTER = (
    "amount>500 country!=FR",
    "user:u-00* score>=.9",
    "why:frequency -merchant:grocery",
    'since:5m "free text"',
    "triage:open severity=critical",
)
_IDS_FROM = 70
_ID_WIDTH = 26
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
    """Keys, marks and the filter language. The key that opened it closes it, too."""

    TITLE = "Help"
    BINDINGS: ClassVar[list[BindingType]] = [keymap.HELP]

    def action_help(self) -> None:
        """Close."""
        self.action_close()

    def lines(self, width: int, palette: Palette) -> list[Text]:
        """One line for each key, with the id under which the configuration can change it."""
        keys = keys_of(self)
        room = max(0, width - 16 - _ID_WIDTH) if width >= _IDS_FROM else width
        lines: list[Text] = []
        for title, bindings in _SECTIONS:
            lines.append(line((f" {title}", palette.title), width=width))
            for binding in bindings:
                lines.append(
                    line(
                        (f"   {cells.fit(keys.shown(binding), 12)} ", palette.strong),
                        cells.fit(binding.description, room),
                        (f" {binding.id}", palette.dim),
                        width=width,
                    )
                )
            lines.append(Text(""))
        lines.append(line((" Marks", palette.title), width=width))
        lines += [line((f"   {mark:<12}", palette.strong), meaning, width=width) for mark, meaning in _MARKS]
        lines.append(Text(""))
        lines.append(line((" Filter", palette.title), width=width))
        lines += [line(f"   {example}", width=width) for example in _FILTER]
        return lines
