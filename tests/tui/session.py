"""A console on a fake port, what is pressed in it, and what it shows."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from textual.pilot import Pilot
from textual.strip import Strip
from textual.widget import Widget

from tests.tui.fake_port import NOON, FakePort
from tui.app import ConsoleApp
from tui.library import Library

SLOW_HZ = 0.01
"""So slow that a test's own `tick` is the only one."""


def clock() -> datetime:
    """It is always noon."""
    return NOON


def unhurried() -> Callable[[], float]:
    """A clock by which a second passes between any two looks at it, so that every row was read."""
    return itertools.count().__next__


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
    app = ConsoleApp(
        port, refresh_hz=SLOW_HZ, clock=clock, theme=theme, library=library, user="ann", monotonic=unhurried()
    )
    async with app.run_test(size=size, notifications=notifications) as pilot:
        await pilot.pause()
        yield app, pilot


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until no worker runs and everything is drawn."""
    await pilot.pause()
    while any(not worker.is_finished for worker in pilot.app.workers):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def ticked(pilot: Pilot[Any]) -> None:
    """Settle, tick, and settle again: what the screen asks for once it is drawn is answered and drawn."""
    await settled(pilot)
    assert isinstance(pilot.app, ConsoleApp)
    pilot.app.tick()
    await settled(pilot)


async def pressed(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys and wait for what each of them starts."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def strips(app: ConsoleApp) -> list[Strip]:
    """The lines on screen. Textual has no public way to read what its compositor draws."""
    return app.screen._compositor.render_strips()


def text_of(app: ConsoleApp) -> str:
    """The text on screen, in one line."""
    return "".join(strip.text for strip in strips(app))


def shown(app: ConsoleApp, query: str | type[Widget]) -> str:
    """The text on screen where the widget is, a line for each of its rows."""
    region = app.screen.query_one(query).region
    lines = strips(app)[region.y : region.bottom]
    return "\n".join(strip.crop(region.x, region.right).text for strip in lines)


def said(app: ConsoleApp) -> list[str]:
    """The notifications that have not expired. Textual has no public way to list them."""
    return [notification.message for notification in app._notifications]
