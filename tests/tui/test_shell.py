"""Keys from the configuration, notices, the mouse, the frontend, and stopping everything."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from textual import events
from textual.notifications import Notification
from textual.pilot import Pilot
from textual.widgets import Input

from domain.engine import WorkerAction
from services.errors import ConfigurationError
from tests.tui.fake_port import WORKERS, FakePort, rows
from tests.tui.session import SLOW_HZ, clock, running, shown
from tui import keymap
from tui.app import ConsoleApp
from tui.keys import Keys, groups, long_name
from tui.modals.confirm import Confirm
from tui.modals.help import Help
from tui.notices import Notices
from tui.screens.live import LiveScreen
from tui.terminal.device import usual_hz
from tui.widgets.reading import Reading

TAKEN = {
    "ctrl+b": "tmux",
    "ctrl+a": "screen",
    "ctrl+s": "flow control",
    "ctrl+q": "flow control",
    "ctrl+z": "job control",
}


@asynccontextmanager
async def talking(port: FakePort) -> AsyncIterator[tuple[ConsoleApp, Pilot[Any]]]:
    """A console that shows its notices."""
    app = ConsoleApp(port, refresh_hz=SLOW_HZ, clock=clock)
    async with app.run_test(notifications=True) as pilot:
        yield app, pilot


async def said(app: ConsoleApp, pilot: Pilot[Any]) -> list[str]:
    """The notices on screen."""
    await app.workers.wait_for_complete()
    await pilot.pause()
    return [toast.render().plain for toast in app.screen.query("Toast")]


def remapped(port: FakePort, **keys: str | list[str]) -> ConsoleApp:
    configured = {action.replace("__", "."): key for action, key in keys.items()}
    return ConsoleApp(port, refresh_hz=SLOW_HZ, clock=clock, theme="dark", keys=Keys(configured))


class ControlledPort(FakePort):
    """A port that has a frontend, and remembers what it was asked to do."""

    def __init__(self, state: str = "stopped") -> None:
        super().__init__(rows(40), workers=(*WORKERS[:3], msgspec.structs.replace(WORKERS[3], state=state)))
        self.asked: list[tuple[str, str]] = []

    async def control(self, worker: str, action: WorkerAction) -> None:
        self.asked.append((worker, action))

    def becomes(self, state: str, **facts: str) -> None:
        """Let the frontend have another state."""
        workers = self.snapshot().workers
        self.changes["workers"] = (*workers[:3], msgspec.structs.replace(workers[3], state=state, **facts))

    async def quit(self) -> None:
        self.asked.append(("engine", "quit"))


@pytest.mark.parametrize(
    ("environment", "hz"),
    [({}, 4.0), ({"SSH_CONNECTION": ""}, 4.0), ({"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, 2.0)],
)
def test_over_ssh_it_repaints_half_as_often(environment: dict[str, str], hz: float) -> None:
    assert usual_hz(environment) == hz


def test_no_default_clashes_with_tmux_screen_or_flow_control() -> None:
    keys = Keys()
    for bindings in groups().values():
        for binding in bindings:
            for key in keys.of(binding) if binding.id != "app.suspend" else ():
                assert key not in TAKEN, f"{binding.id} is {key}, which {TAKEN.get(key)} takes"


def test_every_binding_has_an_id() -> None:
    assert all(binding.id for bindings in groups().values() for binding in bindings)


def test_nothing_configured_changes_nothing() -> None:
    keys = Keys()
    assert keys.changed == {}
    assert keys.hints((("?", "help"), ("[ ]", "anomalies")), ()) == (("?", "help"), ("[ ]", "anomalies"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ctrl+f", "ctrl+f"),
        ("?", "question_mark"),
        (",", "comma"),
        (" F ", "F"),
        ("f5", "f5"),
        ("space", "space"),
        ("alt+ctrl+x", "alt+ctrl+x"),
        ("ctrl+,", "ctrl+comma"),
        ("é", "é"),
    ],
)
def test_keys_are_written_as_they_are_typed(written: str, meant: str) -> None:
    assert long_name(written) == meant


@pytest.mark.parametrize("written", ["i, f6, ,", ["i", "f6", ","]])
def test_an_action_may_have_several_keys(written: str | list[str]) -> None:
    if isinstance(written, str):
        with pytest.raises(ConfigurationError, match="no such key"):
            Keys({"app.theme": written})
        written = "i, f6, comma"
    assert Keys({"app.theme": written}).changed == {"app.theme": "i,f6,comma"}


@pytest.mark.parametrize(
    ("configured", "said"),
    [
        ({"feed.freze": "h"}, "[keys] feed.freze: there is no such action; did you mean feed.freeze?"),
        ({"zzz": "h"}, "there is no such action; help (?) names them all."),
        ({"feed.freeze": "hyperspace"}, "[keys] hyperspace: there is no such key"),
        ({"feed.freeze": ""}, "there is no such key"),
        ({"feed.freeze": []}, "[keys] feed.freeze: name at least one key."),
        ({"feed.freeze": "f"}, "[keys] f would be both feed.freeze and feed.follow."),
        ({"feed.freeze": "t"}, "[keys] t would be both feed.freeze and app.theme."),
        ({"app.theme": "j"}, "[keys] j would be both"),
        ({"feed.freeze": "h", "feed.follow": "h"}, "[keys] h would be both feed.freeze and feed.follow."),
    ],
)
def test_keys_that_cannot_be_are_one_clear_line(configured: dict[str, str | list[str]], said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)) as raised:
        Keys(configured)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


def test_hints_are_found_by_any_way_to_write_a_key() -> None:
    keys = Keys({"feed.open": "h", "feed.back": "f9"})
    written = (("⏎", "open"), ("Esc", "back"), ("Enter ,", "both"))
    assert keys.hints(written, keymap.LIVE) == (("h", "open"), ("f9", "back"), ("h ,", "both"))


def test_keys_may_change_places() -> None:
    keys = Keys({"feed.freeze": "f", "feed.follow": "space"})
    assert keys.changed == {"feed.freeze": "f", "feed.follow": "space"}


async def test_a_changed_key_works_and_the_old_one_does_not() -> None:
    app = remapped(FakePort(rows(50)), feed__freeze="ctrl+f", app__theme="I")
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("space", "t")
        assert not app.intake.frozen
        assert app.theme == "dark"
        await pilot.press("ctrl+f", "I")
        assert app.intake.frozen
        assert app.theme == "light"


async def test_keys_that_change_places_both_work() -> None:
    app = remapped(FakePort(rows(50)), feed__freeze="f", feed__follow="space")
    async with app.run_test() as pilot:
        await pilot.press("f")
        assert app.intake.frozen
        await pilot.press("space")
        assert not app.screen.query_one("#feed").follow


async def test_help_hints_tabs_and_palette_show_the_keys_in_force() -> None:
    app = remapped(FakePort(rows(50)), feed__freeze="ctrl+f", screen__health="0", app__help="f1")
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.pause()
        assert "^f freeze" in shown(app, "#keys")
        assert "space freeze" not in shown(app, "#keys")
        assert shown(app, "#keys").startswith("f1 help")
        assert "0 Health" in shown(app, "#tabs")
        commands = {command.title: command.help for command in app.get_system_commands(app.screen)}
        assert commands["Freeze"] == "key ^f"
        await pilot.press("f1")
        await pilot.pause()
        text = [line.split() for line in shown(app, Reading).splitlines()]
        assert ["^f", "freeze", "feed.freeze"] in text


@pytest.mark.parametrize("mode", sorted(ConsoleApp.MODES))
async def test_the_palette_has_every_action_of_the_screen_and_of_the_application(mode: str) -> None:
    async with running(FakePort(rows(50))) as (app, pilot):
        await app.switch_mode(mode)
        await pilot.pause()
        offered = {command.title for command in app.get_system_commands(app.screen)}
        bindings = [binding for _, binding, _, _ in app.screen.active_bindings.values() if binding.id]
        expected = {each.description.capitalize() for each in bindings if each.id != "app.palette"}
        assert offered == expected
        assert {"Theme", "Help", "Stop everything (asks first)"} <= offered


def test_notices_of_one_kind_within_a_second_are_one_with_a_count() -> None:
    now = 10.0
    notices = Notices(lambda: now)
    first, new = notices.say("copied row 12")
    assert new
    now = 10.9
    again, new = notices.say("copied row 13")
    assert not new
    assert again is first
    assert again.message == "copied row 13 (×2)"
    other, new = notices.say("no match below")
    assert new
    assert other is not first
    now = 12.0
    later, new = notices.say("copied row 14")
    assert new
    assert later.message == "copied row 14"


def test_a_notice_that_has_gone_is_shown_again() -> None:
    notices = Notices(lambda: 0.0)
    first, _ = notices.say("no match below", timeout=0.0)
    assert isinstance(first, Notification)
    assert notices.say("no match below")[1]


async def test_a_burst_of_notices_is_one_toast() -> None:
    async with talking(FakePort(rows(50))) as (app, pilot):
        for number in range(30):
            app.screen.notify(f"[/oops] row {number}\x1b[2J")
        assert await said(app, pilot) == ["[/oops] row 29\ufffd[2J (×30)"]
        app.screen.notify("[/oops] row 30\x1b[2J")
        assert await said(app, pilot) == ["[/oops] row 30\ufffd[2J (×31)"]


async def test_the_mouse_goes_off_and_on_and_says_so() -> None:
    async with talking(FakePort(rows(50))) as (app, pilot):
        await pilot.press("m")
        assert not app.mouse_on
        await pilot.press("m")
        assert app.mouse_on
        assert [text.split(":")[0] for text in await said(app, pilot)] == ["mouse off", "mouse on"]


@pytest.mark.parametrize(("state", "action"), [("stopped", "start"), ("failed", "start"), ("running", "stop")])
async def test_f_starts_and_stops_the_frontend(state: str, action: str) -> None:
    port = ControlledPort(state)
    async with running(port) as (app, pilot):
        await pilot.press("F")
        await app.workers.wait_for_complete()
        assert port.asked == [("frontend", action)]


async def test_without_a_frontend_f_says_so() -> None:
    async with talking(FakePort(rows(40), workers=WORKERS[:3])) as (app, pilot):
        await pilot.press("F")
        assert await said(app, pilot) == ["this engine has no web frontend"]


async def test_a_frontend_that_does_not_obey_is_said() -> None:
    port = FakePort(rows(40))
    port.control_error = OSError("no Node")
    async with talking(port) as (app, pilot):
        await pilot.press("F")
        assert (await said(app, pilot))[0].startswith("frontend: cannot start")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("running", "web frontend: http://localhost:3000"),
        ("failed", "web frontend: it needs Node.js"),
        ("backoff", "web frontend: it needs Node.js; it is started again"),
    ],
)
async def test_what_becomes_of_the_frontend_is_said_once(state: str, told: str) -> None:
    port = ControlledPort("starting")
    async with talking(port) as (app, pilot):
        assert await said(app, pilot) == []
        port.becomes(state, detail="http://localhost:3000", last_error="it needs Node.js")
        app.tick()
        app.tick()
        assert await said(app, pilot) == [told]


async def test_a_frontend_that_answers_late_once_is_no_news() -> None:
    port = ControlledPort("running")
    async with talking(port) as (app, pilot):
        first = await said(app, pilot)
        for state in ("degraded", "running"):
            port.becomes(state)
            app.tick()
        assert await said(app, pilot) == first


@pytest.mark.parametrize("key", ["n", "escape", "enter", "q"])
async def test_stopping_everything_asks_and_a_no_changes_nothing(key: str) -> None:
    port = ControlledPort()
    async with running(port) as (app, pilot):
        await pilot.press("Q")
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        assert "Stop everything?" in shown(app, Reading)
        await pilot.press(key)
        await app.workers.wait_for_complete()
        assert isinstance(app.screen, LiveScreen)
        assert port.asked == []


async def test_a_yes_stops_the_engine_and_leaves() -> None:
    port = ControlledPort()
    app = ConsoleApp(port, refresh_hz=SLOW_HZ, clock=clock)
    async with app.run_test() as pilot:
        await pilot.press("Q", "y")
        await pilot.pause()
    assert port.asked == [("engine", "quit")]
    assert app.return_value == 0


async def test_an_exception_in_a_screen_is_kept_for_the_caller() -> None:
    class Broken(Help):
        def lines(self, width, palette):
            raise RuntimeError("boom")

    app = ConsoleApp(FakePort(rows(5)), refresh_hz=SLOW_HZ, clock=clock)

    async def run() -> None:
        async with app.run_test() as pilot:
            await app.push_screen(Broken())
            await pilot.pause()

    with pytest.raises(RuntimeError, match="boom"):
        await run()
    assert isinstance(app.crash, RuntimeError)


async def test_keys_that_arrive_together_go_where_they_were_meant() -> None:
    port = ControlledPort()
    async with running(port) as (app, pilot):
        for character in "/amount>1":
            app.post_message(events.Key(long_name(character), character))
        await pilot.pause()
        assert app.screen.query_one(Input).value == "amount>1"
        assert app.mouse_on
        await pilot.press("escape")
        for character in "Qy":
            app.post_message(events.Key(character, character))
        await pilot.pause()
        assert ("engine", "quit") in port.asked
