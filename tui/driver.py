"""The driver under the console: Textual's own, with fewer bytes and a mouse that can be let go."""

from typing import Any

from textual.drivers.linux_driver import LinuxDriver

from tui.thrift import thrifty


class ConsoleDriver(LinuxDriver):
    """Draws on a Unix terminal."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._capturing = True

    def write(self, data: str) -> None:
        """Write to the terminal."""
        super().write(thrifty(data))

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
