"""What can be done with a list of transactions on any screen that has one: sort, zoom, copy, export, views."""

from domain.filters import EVERYTHING, Filter
from domain.verdict import ScoredTransaction
from services import export
from tui.rowlist import RowList
from tui.screens.base import ConsoleScreen
from tui.screens.export import Export
from tui.screens.views import Views
from tui.sorting import starts_descending

MAX_OSC_52 = 74_000
"""Bytes that terminals take in one OSC 52 sequence; they drop a longer one without a word."""


class ListScreen(ConsoleScreen):
    """A screen with lists, one of which is active."""

    def __init__(self) -> None:
        super().__init__()
        self._sought: Filter = EVERYTHING

    @property
    def active(self) -> RowList:
        """The list that keys act on."""
        raise NotImplementedError

    @property
    def subject(self) -> ScoredTransaction | None:
        """The row that keys act on."""
        raise NotImplementedError

    def apply_filter(self, rows: RowList, text: str, filter: Filter) -> None:
        """Show in a list what matches a filter that was written as `text`."""
        rows.window.apply(text, filter)

    def show_matching(self, rows: RowList, text: str, filter: Filter) -> None:
        """Show in a list what a filter lets through, in the order of time, and remember the filter."""
        self._sought = filter
        self.apply_filter(rows, text, filter)
        rows.set_follow(True)
        library = self.console_app.library
        self.console_app.keep(lambda: library.remember(text))
        self.console_app.settle()

    def action_sort(self) -> None:
        """Sort by the next column; after the last one the list is live again."""
        rows = self.active
        names = rows.sortable()
        column = rows.sorted_by[0] if rows.sorted_by else ""
        following = names.index(column) + 1 if column in names else 0
        if following == len(names):
            rows.set_follow(True)
        else:
            rows.sort(names[following], starts_descending(names[following]))

    def action_turn(self) -> None:
        """The same column the other way round; the first one where there is no order yet."""
        rows = self.active
        if rows.sorted_by is None:
            self.action_sort()
        else:
            column, descending = rows.sorted_by
            rows.sort(column, not descending)

    def action_zoom(self) -> None:
        """Give the active list the whole screen, or put everything back."""
        self.zoom(None if self.has_class("-zoom") else self.active)
        self.call_after_refresh(self.redraw)

    def zoom(self, alone: RowList | None) -> None:
        """Show this list alone, or all of them; the caller draws."""
        self.set_class(alone is not None, "-zoom")
        for rows in self.query(RowList):
            rows.set_class(rows is alone, "-alone")

    def action_copy(self, as_json: bool) -> None:
        """Copy the row as one readable line or as JSON: to the terminal, and to a file, since not every one listens."""
        row = self.subject
        if row is None:
            return
        text = export.json_line(row) if as_json else export.readable(row) + "\n"
        fits = len(text.encode()) <= MAX_OSC_52
        if fits:
            self.app.copy_to_clipboard(text.removesuffix("\n"))
        self.run_worker(self._keep_copy(row.transaction.transaction_id, text, fits), group="copy")

    async def _keep_copy(self, ident: str, text: str, sent: bool) -> None:
        app = self.console_app
        file = await app.kept(lambda: app.library.keep_copy(text))
        places = ["the terminal, if it listens to OSC 52"] if sent else []
        places += [str(file)] if file else []
        too_long = "" if sent else "; it is too long for a terminal"
        if places:
            app.notify(f"Copied {ident} to {' and to '.join(places)}{too_long}")
        else:
            app.notify(f"{ident} was not copied{too_long}", severity="warning")

    def action_views(self) -> None:
        """Views and recent filters."""
        rows = self.active
        self.app.push_screen(
            Views(rows.window.filter_text, lambda text, parsed: self.show_matching(rows, text, parsed))
        )

    def action_export(self) -> None:
        """Write what the filter shows to a file."""
        rows = self.active
        self.app.push_screen(Export(rows.TITLE, rows.window.filter_text, rows.rows.all()))
