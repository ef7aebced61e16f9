"""What can be done with a list of transactions on any screen that has one: sort, zoom, copy, export, views."""

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
        """Another engine numbers its rows anew: no cursor and no order outlives the one before."""
        self.watch(self.app, "engines", self._follow_all, init=False)

    def _follow_all(self) -> None:
        for rows in self.query(RowList):
            rows.set_follow(True)

    @property
    def active(self) -> RowList:
        """The list that keys act on."""
        raise NotImplementedError

    def apply_filter(self, rows: RowList, text: str, filter: Filter) -> None:
        """Show in a list what matches a filter that was written as `text`."""
        rows.window.apply(text, filter)

    def show_matching(self, rows: RowList, text: str, filter: Filter) -> None:
        """Show in a list what a filter lets through, in the order of time, and remember the filter."""
        self._sought = filter
        self.apply_filter(rows, text, filter)
        rows.set_follow(True)
        library = console_of(self).library
        console_of(self).keep(lambda: library.remember(text))
        console_of(self).settle()

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

    def action_views(self) -> None:
        """Views and recent filters."""
        rows = self.active
        self.app.push_screen(
            Views(rows.window.filter_text, lambda text, parsed: self.show_matching(rows, text, parsed))
        )

    @property
    def shown_filter(self) -> str:
        """The filter that finds in history what the active list shows."""
        return self.active.window.filter.text

    def action_export(self) -> None:
        """Write what the filter shows to a file."""
        rows = self.active
        self.app.push_screen(Export(rows.TITLE, self.shown_filter, rows.rows.all()))

    def action_user_screen(self) -> None:
        """The Users screen, on the user of the row that keys act on."""
        if self.subject is not None:
            console_of(self).show_user(self.subject.transaction.user_id)

    def action_disagreements(self) -> None:
        """Only what one detector flagged and the other did not, of what the filter lets through; or all of it."""
        text = toggled(self.active.window.filter_text)
        try:
            self.show_matching(self.active, text, parse(text, console_of(self).clock()))
        except FilterError as error:
            self.notify(error.message, severity="warning", timeout=2)
