"""What the palette offers besides actions: the views by their names."""

from functools import partial

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.markup import escape

from domain.filters import FilterError, parse
from domain.sanitize import sanitize
from tui.console import console_of
from tui.screens.lists import ListScreen


class ViewCommands(Provider):
    """Opens a view in the active list of the screen in front. Names are a person's own words, never markup."""

    async def discover(self) -> Hits:
        """Every view."""
        for name, text in self._views().items():
            title = f"View {sanitize(name)}"
            yield DiscoveryHit(Text(title), partial(self._open, text), title, escape(sanitize(text)))

    async def search(self, query: str) -> Hits:
        """The views whose names match."""
        matcher = self.matcher(query)
        for name, text in self._views().items():
            title = f"View {sanitize(name)}"
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), partial(self._open, text), title, escape(sanitize(text)))

    def _views(self) -> dict[str, str]:
        return console_of(self.screen).library.kept.views if isinstance(self.screen, ListScreen) else {}

    def _open(self, text: str) -> None:
        assert isinstance(self.screen, ListScreen)
        try:
            self.screen.show_matching(self.screen.active, text, parse(text))
        except FilterError as error:
            self.app.notify(f"{text}: {error.message}", severity="warning")
