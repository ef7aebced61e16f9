"""A console on a fake port, and what it shows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from textual.pilot import Pilot
from textual.widget import Widget

from tests.tui.fake_port import NOON, FakePort
from tui.app import ConsoleApp
from tui.library import Library

SLOW_HZ = 0.01
"""So slow that a test's own `tick` is the only one."""


def clock() -> datetime:
    """It is always noon."""
    return NOON


@asynccontextmanager
async def running(
    port: FakePort,
    size: tuple[int, int] = (80, 24),
    theme: str = "dark",
    library: Library | None = None,
    *,
    notifications: bool = False,
) -> AsyncIterator[tuple[ConsoleApp, Pilot[Any]]]:
    """A console of `size` on `port`, drawn once."""
    app = ConsoleApp(port, refresh_hz=SLOW_HZ, clock=clock, theme=theme, library=library, user="ann")
    async with app.run_test(size=size, notifications=notifications) as pilot:
        await pilot.pause()
        yield app, pilot


def shown(app: ConsoleApp, query: str | type[Widget]) -> str:
    """The text on screen where the widget is, a line for each of its rows."""
    region = app.screen.query_one(query).region
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.crop(region.x, region.right).text for strip in strips[region.y : region.bottom])
