"""The terminal driver: Textual's own, but it writes fewer bytes, can release the mouse, and never blocks.

Textual's writer blocks the event loop once thirty frames are queued. The engine runs on the same loop, so a terminal
behind a stalled connection would stop it.
"""

import os
import threading
from queue import SimpleQueue
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

from tui.terminal.thrift import thrifty

_FLUSH_WITHIN = 2.0


class Output(threading.Thread):
    """Writes to a file descriptor from a thread of its own, in the order of `put`.

    Once the terminal is gone, everything is dropped.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True, name="console-output")
        self._descriptor = descriptor
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._put = 0
        self._written = 0

    @property
    def behind(self) -> bool:
        """Whether something is still to be written."""
        return self._written < self._put

    def put(self, text: str) -> None:
        """Queue a text to be written."""
        self._put += 1
        self._queue.put(text)

    def stop(self) -> None:
        """Write what is left, for a limited time: the terminal may have stalled."""
        self._queue.put(None)
        self.join(_FLUSH_WITHIN)

    def run(self) -> None:
        """Write until `stop` is called."""
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
        """Whether earlier frames are still to be written, so that another one would only be late."""
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
        """Release the terminal, after writing what is left."""
        if self._output is not None:
            self._output.stop()
        super().close()

    def run_input_thread(self) -> None:
        """Read keys until the console ends or the terminal hangs up, which the console notices by itself."""
        try:
            super().run_input_thread()
        except OSError:
            return

    def capture_mouse(self, captured: bool) -> None:
        """Capture the mouse, or release it so that the terminal's own selection works."""
        if captured:
            self._capturing = True
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()
            self._capturing = False

    def _enable_mouse_support(self) -> None:
        if self._capturing:
            super()._enable_mouse_support()
