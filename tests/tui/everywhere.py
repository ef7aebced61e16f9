"""Every screen and modal of the console, found by looking, so that new ones are tested as soon as they exist."""

import importlib
import inspect
import pkgutil
from collections.abc import AsyncIterator, Callable, Sequence
from types import UnionType
from typing import Any, get_origin, get_type_hints

import msgspec
from textual.pilot import Pilot
from textual.screen import ModalScreen

import tui.modals
from domain.filters import EVERYTHING, Filter
from domain.verdict import ScoredTransaction
from services.console.port import ConsolePort
from tui.app import ConsoleApp

ENDING = {"app.quit", "app.interrupt", "app.stop", "confirm.yes"}
"""Actions that end the console."""

EVIL = "[/oops][b]\x1b]52;c;aGVsbG8=\x07\x1b[2J\x9b31m\x90q\u202egnp\u2066\u200b\x7f\x00a\nb\tc"
"""Everything that must not reach a terminal, in one text."""


def modals() -> list[type[ModalScreen[Any]]]:
    """The modals that are shown: those that no other is derived from."""
    for module in pkgutil.iter_modules(tui.modals.__path__, "tui.modals."):
        importlib.import_module(module.name)
    found: list[type[ModalScreen[Any]]] = []
    left = [ModalScreen]
    while left:
        parent = left.pop()
        children = [child for child in parent.__subclasses__() if child.__module__.startswith("tui.")]
        left += children
        if not children and parent.__module__.startswith("tui."):
            found.append(parent)
    return sorted(found, key=lambda modal: modal.__qualname__)


def made(modal: type[ModalScreen[Any]], port: ConsolePort, text: str = "example") -> ModalScreen[Any]:
    """A modal with examples for what it must be given."""
    needed = [
        parameter.name
        for parameter in inspect.signature(modal).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    hints = get_type_hints(modal.__init__) if needed else {}
    return modal(**{name: _example(modal, hints[name], port, text) for name in needed})


def _example(modal: type, wanted: Any, port: ConsolePort, text: str) -> Any:
    row = port.feed(0, 1).rows[-1]
    origin = get_origin(wanted) or wanted
    examples: dict[Any, Any] = {
        str: text,
        int: 3,
        float: 0.5,
        bool: True,
        Filter: EVERYTHING,
        ScoredTransaction: row,
        get_origin(Callable[[], None]): lambda *_: None,
        tuple: (),
        list: [],
        Sequence: [],
        dict: {},
    }
    if wanted is ConsolePort:
        return port
    if origin not in examples:
        raise LookupError(f"tests/tui/everywhere.py has no example of {wanted} for {modal.__name__}")
    if origin in (tuple, list, Sequence) and ScoredTransaction in getattr(wanted, "__args__", ()):
        return (row,) if origin is tuple else [row]
    return examples[origin]


async def visited(app: ConsoleApp, pilot: Pilot[Any], text: str = "example") -> AsyncIterator[str]:
    """The name of each mode and each modal, while it is in front and drawn."""
    for mode in app.MODES:
        await app.switch_mode(mode)
        await drawn(app, pilot)
        yield mode
    for modal in modals():
        await app.push_screen(made(modal, app.port, text))
        await drawn(app, pilot)
        yield modal.__name__
        await app.pop_screen()


async def acted(app: ConsoleApp, pilot: Pilot[Any]) -> AsyncIterator[str]:
    """The id of each action of each mode, after it ran; what it opened is closed afterwards."""
    for mode in app.MODES:
        await app.switch_mode(mode)
        await pilot.pause()
        for node, binding, _, _ in list(app.screen.active_bindings.values()):
            if binding.id and binding.id not in ENDING:
                await app.run_action(binding.action, node)
                await drawn(app, pilot)
                yield f"{mode}: {binding.id}"
                while len(app.screen_stack) > 1:
                    await app.pop_screen()
                await app.switch_mode(mode)


async def drawn(app: ConsoleApp, pilot: Pilot[Any]) -> None:
    """Wait for what was asked for, and draw it."""
    await pilot.pause()
    await app.workers.wait_for_complete()
    app.tick()
    await pilot.pause()


class PoisonedPort:
    """A port in whose every answer every text is EVIL."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def ask(*arguments: Any, **options: Any) -> Any:
            answer = found(*arguments, **options)
            if inspect.isawaitable(answer):

                async def later() -> Any:
                    return poisoned(await answer)

                return later()
            return poisoned(answer)

        return ask


def poisoned(value: Any) -> Any:
    """`value` with EVIL for every text that could have come from outside."""
    if isinstance(value, msgspec.Struct):
        changed: dict[str, Any] = {}
        for field in msgspec.structs.fields(value):
            held = getattr(value, field.name)
            # A literal type is a word of ours; where a text may be missing it may as well be there.
            if field.type is str or (isinstance(field.type, UnionType) and str in field.type.__args__):
                changed[field.name] = EVIL
            elif not isinstance(held, str):
                changed[field.name] = poisoned(held)
        return msgspec.structs.replace(value, **changed)
    if isinstance(value, str):
        return EVIL
    if isinstance(value, tuple):
        return tuple(map(poisoned, value))
    if isinstance(value, dict):
        return {f"{EVIL}{number}": poisoned(held) for number, held in enumerate(value.values())}
    return value
