"""The console: a Textual application over one engine."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from textual.app import SystemCommand
from textual.binding import BindingType
from textual.reactive import reactive
from textual.screen import Screen

from services.console.port import ConsolePort
from tui import keymap
from tui.controls import EngineControls
from tui.decider import Decider
from tui.intake import Intake
from tui.keys import Keys
from tui.library import CannotKeep, Library
from tui.modals.help import Help
from tui.modals.workers import Workers
from tui.pace import Pace
from tui.palette import ViewCommands, action_commands
from tui.screens.anomalies import AnomaliesScreen
from tui.screens.base import ConsoleScreen
from tui.screens.health import HealthScreen
from tui.screens.live import LiveScreen
from tui.screens.logs import LogsScreen
from tui.screens.users import UsersScreen
from tui.shell import Shell
from tui.themes import THEMES
from tui.trail import Step, Trail

_Kept = TypeVar("_Kept")
_LINES_AROUND_A_LIST = 4


class ConsoleApp(Shell):
    """The console of a running engine. It sees the engine through `port` only, and does not stop it when it ends.

    `refresh_hz` is the number of pulls a second and `clock` the time on the wall. `theme` is dark,
    light or ansi, `keys` are the keys in force, and `library` has the user's filters, views and copies. Decisions are
    made in the name of `user`, by default the user of the operating system. `show_truth` shows ground truth, and
    `engine_inside` says that the engine runs in this process.

    The exit code is 0 on `q`, and 129 when the terminal is gone.
    """

    CSS_PATH = "styles.tcss"
    TITLE = "anomaly-tui"
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.APP]
    COMMANDS = Shell.COMMANDS | {ViewCommands}
    COMMAND_PALETTE_BINDING = "colon"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "live": LiveScreen,
        "anomalies": AnomaliesScreen,
        "users": UsersScreen,
        "health": HealthScreen,
        "logs": LogsScreen,
    }
    DEFAULT_MODE = "live"
    triage_sequence = reactive(0, repaint=False)
    """The number of the newest triage event. Screens that show decisions watch it."""
    engines = reactive(1, repaint=False)
    """The number of engines seen. A new engine numbers its rows from 1."""
    trouble = reactive("", repaint=False)
    """Why the engine does not answer; empty while it does."""

    def __init__(
        self,
        port: ConsolePort,
        *,
        refresh_hz: float = 4.0,
        clock: Callable[[], datetime] | None = None,
        theme: str | None = None,
        keys: Keys | None = None,
        library: Library | None = None,
        user: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        show_truth: bool = False,
        engine_inside: bool = True,
    ) -> None:
        super().__init__(keys or Keys(), engine_inside=engine_inside)
        self.port = port
        self.library = library or Library()
        self.intake = Intake(port)
        self.clock = clock or _now
        self.monotonic = monotonic
        self.pace = Pace()
        self.show_truth = show_truth
        self.trail = Trail()
        self.wanted_user: str | None = None
        self.decisions = Decider(self, user)
        self.controls = EngineControls(self)
        self._interval = 1.0 / refresh_hz
        self._settling: asyncio.Task[None] | None = None
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme if theme in [known.name for known in THEMES] else self._usual_theme()
        self.animation_level = "none"

    def _usual_theme(self) -> str:
        """`dark` where the terminal has 24-bit colour, else `ansi`, the terminal's own sixteen colours."""
        return "dark" if self.console.color_system in ("truecolor", None) else "ansi"

    def on_mount(self) -> None:
        """Pull at a fixed interval. What the shell wrote over the screen is drawn over when it resumes."""
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self.set_interval(self._interval, self.tick)
        self.tick()
        if self.library.problem:
            self.notify(self.library.problem, severity="warning")

    def tick(self) -> None:
        """Pull from the engine and draw, unless the last frame is still to be written to the terminal."""
        if self.terminal_gone:
            self.leave()
            return
        self.intake.rows_on_screen = max(1, self.size.height - _LINES_AROUND_A_LIST)
        self.intake.pull()
        self.triage_sequence = self.intake.triage_sequence
        self.controls.report_frontend()
        self.engines = self.intake.engines
        self.trouble = self.intake.trouble
        if self.terminal_behind:
            self.intake.step()
        else:
            self.settle()

    def watch_trouble(self, before: str, now: str) -> None:
        """Notify the user when the engine is lost and when it is back."""
        if now and not before:
            self.notify("the engine is lost: this is the last it said", severity="error")
        elif before and not now:
            self.notify("the engine is back")

    def settle(self) -> None:
        """Bring the windows up to date and draw. Work beyond one slice goes on in the background."""
        if not self.intake.step() and (self._settling is None or self._settling.done()):
            self._settling = asyncio.create_task(self._settle())
        self.draw()

    async def _settle(self) -> None:
        done = False
        while not done:
            await asyncio.sleep(0)
            done = self.intake.step()
        self.draw()

    def draw(self) -> None:
        """Draw the screen in front, below any window."""
        screen = self.screen_stack[0] if self.screen_stack else None
        if isinstance(screen, ConsoleScreen) and screen.is_mounted:
            screen.draw(self.clock())

    def stream_clock(self) -> datetime:
        """The stream's time: that on the wall, except on a replay or a simulation."""
        return self.intake.snapshot.clock.now(self.clock())

    def keep(self, change: Callable[[], object]) -> None:
        """Change the library in the background."""
        self.run_worker(self.kept(change), group="library")

    async def kept(self, change: Callable[[], _Kept]) -> _Kept | None:
        """Change the library; None when it cannot be written, which a notification says."""
        try:
            return await asyncio.to_thread(change)
        except CannotKeep as error:
            self.notify(str(error), severity="warning")
            return None

    def action_show_screen(self, name: str) -> None:
        """Go to another screen."""
        self.switch_mode(name)

    def show_user(self, user_id: str) -> None:
        """Go to the Users screen, on this user."""
        self.wanted_user = user_id
        self._descend("users", lambda: None)

    def show_transactions(self, user_id: str) -> None:
        """Go to the Live screen, on this user's transactions. `climb` puts the screen back as it was."""
        live = self.get_screen_stack("live")[0]
        assert isinstance(live, LiveScreen)
        self._descend("live", live.drill(user_id))

    def _descend(self, to: str, restore: Callable[[], None]) -> None:
        self.trail.add(Step(to, self.current_mode, restore))
        self.switch_mode(to)

    def climb(self) -> bool:
        """Go back to the screen that led to this one; False when this one was opened directly."""
        if not self.trail.led_to(self.current_mode):
            return False
        step = self.trail.take()
        step.restore()
        self.switch_mode(step.back)
        return True

    def action_workers(self) -> None:
        """Open the workers."""
        self.push_screen(Workers(self.port))

    def action_next_theme(self) -> None:
        """Change to the next theme."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.call_after_refresh(self.draw)

    def action_toggle_truth(self) -> None:
        """Show ground truth, or hide it."""
        self.show_truth = not self.show_truth
        self.notify(f"ground truth is {'shown' if self.show_truth else 'hidden'}", timeout=2)
        self.draw()

    def action_help(self) -> None:
        """Open the help."""
        self.push_screen(Help())

    def action_leave(self) -> None:
        """End the console. The command that opened it decides whether the engine stops."""
        self.leave()

    def action_toggle_frontend(self) -> None:
        """Start the web frontend, or stop it."""
        self.controls.toggle_frontend()

    def action_stop_everything(self) -> None:
        """Stop the engine and leave, after a yes."""
        self.controls.stop_everything()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The actions that the command palette offers."""
        return action_commands(self, screen)


def _now() -> datetime:
    return datetime.now(UTC)
