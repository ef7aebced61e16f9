"""The keys that move through a list and filter it."""

import asyncio

from textual import on

from domain.filters import EVERYTHING
from tui.console import console_of
from tui.lists.filterline import FilterLine
from tui.lists.rowlist import RowList
from tui.lists.window import CHECK_CLOCK_EVERY
from tui.screens.lists import ListScreen


class Browsing(ListScreen):
    """A screen whose keys move, follow, freeze, filter and search the active list. Its body has a `FilterLine`."""

    @on(RowList.Moved)
    def _moved(self) -> None:
        self.redraw()

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.active.move_by(lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by a screenful."""
        self.active.move_by(pages * self.active.page)

    def action_top(self) -> None:
        """Go to the oldest row."""
        self.active.move_to(0)

    def action_end(self) -> None:
        """Go to the newest row, and follow it."""
        self.active.move_to_end()

    def action_follow(self) -> None:
        """Follow the newest row, or stop following."""
        self.active.set_follow(not self.active.follow)

    def action_freeze(self) -> None:
        """Hold the lists still, or let them move again. Rows that arrive meanwhile are counted."""
        self.intake.freeze(not self.intake.frozen)
        console_of(self).settle()

    def action_filter(self) -> None:
        """Open the filter line for the active list."""
        window = self.active.window
        self._filtered = self.active
        count = console_of(self).port.count_live if window is self.intake.feed and window.partial else None
        recent = console_of(self).library.kept.recent
        self.query_one(FilterLine).open(window.filter_text, window.buffer, recent, count)

    @on(FilterLine.Applied)
    def _filter_applied(self, event: FilterLine.Applied) -> None:
        self._close_filter()
        self.show_matching(self._filtered, event.text, event.filter)

    @on(FilterLine.Cancelled)
    def _close_filter(self) -> None:
        self.query_one(FilterLine).close()
        self._filtered.focus()

    def put_back(self) -> bool:
        """End the zoom, or else the sorting; False when there is neither."""
        if self.has_class("-zoom"):
            self.action_zoom()
        elif self.active.order is not None:
            self.active.set_follow(True)
        else:
            return False
        return True

    def clear_filter(self) -> bool:
        """Remove the filter of the active list; False when it has none."""
        if not self.active.window.filter_text:
            return False
        self.apply_filter(self.active, "", EVERYTHING)
        console_of(self).settle()
        return True

    def action_match(self, step: int) -> None:
        """Go to the next or previous row that matches the last filter."""
        self.run_worker(self._seek(self.active, step), group="seek", exclusive=True)

    async def _seek(self, rows: RowList, step: int) -> None:
        shown = rows.rows
        index = rows.cursor_index + step
        looked = 0
        while 0 <= index < len(shown):
            if self._sought.matches(shown[index]):
                rows.move_to(index)
                return
            index += step
            looked += 1
            if looked % CHECK_CLOCK_EVERY == 0:
                await asyncio.sleep(0)
        self.notify("no match below" if step > 0 else "no match above", timeout=2)
