"""The workers of the engine: the state of each, and keys that start, stop or restart one."""

from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType

from domain.engine import WorkerAction, WorkerStatus
from services.console.port import ConsolePort
from services.errors import reason_of
from tui import cells, keymap
from tui.modals.confirm import Confirm
from tui.modals.modal import Modal
from tui.panes.health import WORKER_MARKS, worker_style
from tui.themes import Palette
from tui.widgets.drawing import line

_REFRESH = 0.5
_ENDED = ("stopped", "failed")
_DOING: dict[WorkerAction, str] = {"start": "starting", "stop": "stopping", "restart": "restarting"}


class Workers(Modal):
    """One line for each worker. Keys act on the one under the cursor, and the outcome stands below."""

    TITLE = "Workers"
    HINTS = keymap.WORKERS_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.WORKERS]

    def __init__(self, port: ConsolePort) -> None:
        super().__init__()
        self._port = port
        self._chosen = 0
        self._outcome = ""
        self._failed = False

    def on_mount(self) -> None:
        """Redraw at a fixed interval while it is open."""
        super().on_mount()
        self.set_interval(_REFRESH, self._draw)

    @property
    def _workers(self) -> tuple[WorkerStatus, ...]:
        return self._port.snapshot().workers

    def lines(self, width: int, palette: Palette) -> list[Text]:
        """The workers, each with its last error, and the outcome of the last action."""
        snapshot = self._port.snapshot()
        lines: list[Text] = []
        for number, worker in enumerate(snapshot.workers):
            here = number == self._chosen
            ink = worker_style(worker, palette)
            since = cells.duration(snapshot.at - worker.since) if worker.since else ""
            entry = line(
                ("▌" if here else " ", palette.title),
                (f"{WORKER_MARKS[worker.state]} ", ink),
                (cells.fit(worker.name, 14), palette.strong),
                (f"{worker.state:<9}", ink),
                (f"{since:>7}  ", palette.dim),
                f"{worker.restarts} restarts  " if worker.restarts else "",
                worker.detail if worker.state != "stopped" else "",
                width=width,
            )
            if here:
                entry.pad_right(max(0, width - entry.cell_len))
                entry.stylize_before(palette.cursor)
            lines.append(entry)
            if worker.last_error:
                lines.append(line((f"     last error: {worker.last_error}", palette.warn), width=width))
        if self._outcome:
            ink = palette.bad if self._failed else palette.good
            lines += [Text(""), line((f" {self._outcome}", ink + palette.strong), width=width)]
        return lines

    def _say(self, outcome: str, *, failed: bool = False) -> None:
        self._outcome, self._failed = outcome, failed
        self._draw()

    def action_choose(self, step: int) -> None:
        """Move to another worker."""
        self._chosen = max(0, min(len(self._workers) - 1, self._chosen + step))
        self._say("")

    def action_start_or_stop(self) -> None:
        """Start the worker under the cursor where it does not run, or else stop it, after asking."""
        if not self._workers:
            return
        worker = self._workers[self._chosen]
        if worker.state in _ENDED:
            self._begin(worker.name, "start")
        else:
            consequence = "It stays stopped until somebody starts it."
            self.app.push_screen(Confirm(f"Stop {worker.name}?", consequence, lambda: self._begin(worker.name, "stop")))

    def action_restart(self) -> None:
        """Restart the worker under the cursor."""
        if self._workers:
            self._begin(self._workers[self._chosen].name, "restart")

    def _begin(self, worker: str, action: WorkerAction) -> None:
        self._say(f"{_DOING[action]} {worker}...")
        self.run_worker(self._control(worker, action), group="control", exclusive=False)

    async def _control(self, worker: str, action: WorkerAction) -> None:
        try:
            await self._port.control(worker, action)
        except KeyError:
            self._say(f"there is no worker {worker}", failed=True)
            return
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._say(f"{worker}: {reason_of(error)}", failed=True)
            return
        state = next((each.state for each in self._workers if each.name == worker), "gone")
        wanted = ("stopped",) if action == "stop" else ("running", "degraded", "starting")
        self._say(f"{worker} is {state}", failed=state not in wanted)
