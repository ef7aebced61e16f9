"""What the command palette offers: the actions of the screen in front, and the named views."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from rich.text import Text
from textual.app import App, SystemCommand
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.markup import escape
from textual.screen import Screen

from domain.filters import FilterError, parse
from domain.sanitize import sanitize
from tui.console import console_of
from tui.keys import shown
from tui.screens.lists import ListScreen

_NOT_OFFERED = {"app.palette", "app.interrupt"}


def action_commands(app: App[Any], screen: Screen[Any]) -> Iterator[SystemCommand]:
    """One command for each enabled binding of `screen` and of the application, with its keys."""
    listed = set(_NOT_OFFERED)
    bindings = screen.active_bindings
    for node, binding, enabled, _ in bindings.values():
        if enabled and binding.id and binding.id not in listed:
            listed.add(binding.id)
            keys = [key for key, each in bindings.items() if each.binding.id == binding.id]
            run = partial(screen.call_next, app.run_action, binding.action, node)
            yield SystemCommand(binding.description.capitalize(), f"key {' '.join(map(shown, keys))}", run)


class ViewCommands(Provider):
    """Opens a view in the active list. Names of views are typed by the user, so they are never markup."""

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
            self.screen.show_matching(self.screen.active, text, parse(text, console_of(self.screen).stream_clock()))
        except FilterError as error:
            self.app.notify(f"{text}: {error.message}", severity="warning")
