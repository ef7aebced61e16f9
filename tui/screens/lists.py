"""The keys for lists of transactions: sort, zoom, export, views."""

from domain.filters import EVERYTHING, Filter, FilterError, parse
from tui.console import console_of
from tui.lists.disagreement import toggled
from tui.lists.rowlist import RowList
from tui.lists.sorting import starts_descending
from tui.modals.export import Export
from tui.modals.views import Views
from tui.screens.base import ConsoleScreen
from tui.screens.copying import Copying


class ListScreen(Copying, ConsoleScreen):
    """A screen with lists, one of which is active."""

    def __init__(self) -> None:
        super().__init__()
        self._sought: Filter = EVERYTHING

    def on_mount(self) -> None:
        """Follow the newest row when another engine answers: it numbers its rows from 1 again."""
        self.watch(self.app, "engines", self._follow_all, init=False)

    def _follow_all(self) -> None:
        for rows in self.query(RowList):
            rows.begin()

    @property
    def active(self) -> RowList:
        """The list that the keys act on."""
        raise NotImplementedError

    def apply_filter(self, rows: RowList, text: str, filter: Filter) -> None:
        """Show the rows of a list that match a filter, which was typed as `text`."""
        rows.window.apply(text, filter)

    def show_matching(self, rows: RowList, text: str, filter: Filter) -> None:
        """Show the rows of a list that match a filter, in the order of time, and remember the filter."""
        self._sought = filter
        self.apply_filter(rows, text, filter)
        rows.begin()
        library = console_of(self).library
        console_of(self).keep(lambda: library.remember(text))
        console_of(self).settle()

    def action_sort(self) -> None:
        """Sort by the next column; after the last one stop sorting."""
        rows = self.active
        names = rows.sortable()
        column = rows.sorted_by[0] if rows.sorted_by else ""
        following = names.index(column) + 1 if column in names else 0
        if following == len(names):
            rows.set_follow(True)
        else:
            rows.sort(names[following], starts_descending(names[following]))

    def action_turn(self) -> None:
        """Reverse the order; a list that is not sorted is sorted by its first column."""
        rows = self.active
        if rows.sorted_by is None:
            self.action_sort()
        else:
            column, descending = rows.sorted_by
            rows.sort(column, not descending)

    def action_zoom(self) -> None:
        """Show the active list alone, or show everything again."""
        self.zoom(None if self.has_class("-zoom") else self.active)
        self.call_after_refresh(self.redraw)

    def zoom(self, alone: RowList | None) -> None:
        """Show one list alone, or all of them. The caller redraws."""
        self.set_class(alone is not None, "-zoom")
        for rows in self.query(RowList):
            rows.set_class(rows is alone, "-alone")

    def action_views(self) -> None:
        """Open the views and recent filters."""
        rows = self.active
        self.app.push_screen(
            Views(rows.window.filter_text, lambda text, parsed: self.show_matching(rows, text, parsed))
        )

    @property
    def shown_filter(self) -> str:
        """The filter that finds the rows of the active list in the database."""
        return self.active.window.filter.text

    def action_export(self) -> None:
        """Export the rows that match the filter."""
        rows = self.active
        self.app.push_screen(Export(rows.TITLE, self.shown_filter, rows.listed()))

    def action_user_screen(self) -> None:
        """Go to the Users screen, on the user of the row that the keys act on."""
        if self.subject is not None:
            console_of(self).show_user(self.subject.transaction.user_id)

    def action_disagreements(self) -> None:
        """Limit the filter to transactions that one detector flagged and the other did not, or remove that limit."""
        text = toggled(self.active.window.filter_text)
        try:
            self.show_matching(self.active, text, parse(text, console_of(self).stream_clock()))
        except FilterError as error:
            self.notify(error.message, severity="warning", timeout=2)
