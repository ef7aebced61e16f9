"""The driver under the console: Textual's own, with fewer bytes, a mouse that can be let go, and no waiting.

Textual's writer makes the application wait once thirty frames are queued, and with it everything else on its event
loop. A terminal behind a stalled connection would hold up the engine that way.
"""

import os
import threading
from queue import SimpleQueue
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

from tui.terminal.thrift import thrifty

_FLUSH_WITHIN = 2.0


class Output(threading.Thread):
    """Writes to a file descriptor in the order of `put`, without making anyone wait.

    What cannot be written because the terminal is gone is dropped.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True, name="console-output")
        self._descriptor = descriptor
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._put = 0
        self._written = 0

    @property
    def behind(self) -> bool:
        """Whether the terminal has not taken yet all that it was given."""
        return self._written < self._put

    def put(self, text: str) -> None:
        """Write this after everything before it."""
        self._put += 1
        self._queue.put(text)

    def stop(self) -> None:
        """Write what is left, but not for ever: a terminal may have stalled."""
        self._queue.put(None)
        self.join(_FLUSH_WITHIN)

    def run(self) -> None:
        """Write until told to stop."""
        gone = False
        while (text := self._queue.get()) is not None:
            if not gone:
                try:
                    self._write(text.encode(errors="replace"))
                except OSError:
                    gone = True
            self._written += 1

    def _write(self, rest: bytes) -> None:
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


class ConsoleDriver(LinuxDriver):
    """Draws on a Unix terminal."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._output: Output | None = None
        self._capturing = True

    @property
    def behind(self) -> bool:
        """Whether the terminal still has frames to take, so that another would only be late."""
        return self._output is not None and self._output.behind

    def write(self, data: str) -> None:
        """Write to the terminal."""
        assert self._output is not None, "the driver must be in application mode"
        self._output.put(thrifty(data))

    def start_application_mode(self) -> None:
        """Take the terminal."""
        assert self._file is not None, "there is no standard error to draw on"
        self._output = Output(self._file.fileno())
        self._output.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Let go of it, once it took what it was given."""
        if self._output is not None:
            self._output.stop()
        super().close()

    def run_input_thread(self) -> None:
        """Read until told to stop; a terminal that hangs up ends it, and the console notices that by itself."""
        try:
            super().run_input_thread()
        except OSError:
            return

    def capture_mouse(self, captured: bool) -> None:
        """Take the mouse, or leave it to the terminal, whose own selection works then."""
        if captured:
            self._capturing = True
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()
            self._capturing = False

    def _enable_mouse_support(self) -> None:
        if self._capturing:
            super()._enable_mouse_support()
