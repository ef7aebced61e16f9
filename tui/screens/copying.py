"""The keys that copy a transaction."""

from textual.screen import Screen

from domain.verdict import ScoredTransaction
from services.records import export
from tui.console import console_of

MAX_OSC_52 = 74_000
"""The most bytes in one OSC 52 sequence. Terminals silently drop longer ones."""


class Copying(Screen[None]):
    """A screen whose keys copy its `subject`."""

    @property
    def subject(self) -> ScoredTransaction | None:
        """The row that the keys act on."""
        raise NotImplementedError

    def action_copy(self, as_json: bool) -> None:
        """Copy the row as one readable line or as JSON.

        It goes to the terminal and to a file, since not every terminal supports OSC 52.
        """
        row = self.subject
        if row is None:
            return
        text = export.json_line(row) if as_json else export.readable(row) + "\n"
        fits = len(text.encode()) <= MAX_OSC_52
        if fits:
            self.app.copy_to_clipboard(text.removesuffix("\n"))
        self.run_worker(self._keep_copy(row.transaction.transaction_id, text, fits), group="copy")

    async def _keep_copy(self, ident: str, text: str, sent: bool) -> None:
        console = console_of(self)
        file = await console.kept(lambda: console.library.keep_copy(text))
        places = ["the terminal, if it listens to OSC 52"] if sent else []
        places += [str(file)] if file else []
        too_long = "" if sent else "; it is too long for a terminal"
        if places:
            console.notify(f"Copied {ident} to {' and to '.join(places)}{too_long}")
        else:
            console.notify(f"{ident} was not copied{too_long}", severity="warning")
