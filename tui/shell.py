"""The application towards the terminal: driver, keys, notifications, mouse, and exit codes."""

from functools import cached_property

from textual import events
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.notifications import Notify, SeverityLevel
from textual.widgets import Input, TextArea

from domain.sanitize import sanitize
from tui.keys import Keys
from tui.notices import Notices
from tui.terminal.device import Terminal
from tui.terminal.driver import ConsoleDriver

TERMINAL_GONE = 129


class Shell(App[int]):
    """A Textual application that knows its terminal, but neither the engine nor the screens."""

    def __init__(self, keys: Keys, *, engine_inside: bool) -> None:
        super().__init__()
        self._engine_inside = engine_inside
        self.keys = keys
        self.set_keymap(keys.changed)
        self.mouse_on = True
        self._notices = Notices()

    @cached_property
    def _terminal(self) -> Terminal:
        return Terminal()

    @property
    def terminal_gone(self) -> bool:
        """Whether the terminal has hung up."""
        return not self.is_headless and self._terminal.gone

    @property
    def terminal_behind(self) -> bool:
        """Whether earlier frames are still to be written to the terminal."""
        return isinstance(self._driver, ConsoleDriver) and self._driver.behind

    @property
    def ending(self) -> int:
        """The exit code if it ended now: 0, or 129 when the terminal is gone."""
        return TERMINAL_GONE if self.terminal_gone else 0

    def leave(self) -> None:
        """End the console with `ending` as its exit code."""
        self.exit(self.ending)

    @property
    def crash(self) -> Exception | None:
        """The exception that ended the console; None when it ended in another way."""
        return self._exception

    def _fatal_error(self) -> None:
        # Textual would print a traceback with the values of variables. The caller reports `crash` instead.
        self._close_messages_no_wait()

    def get_driver_class(self) -> type[Driver]:
        """Our driver, where Textual would use its own for Unix terminals."""
        usual = super().get_driver_class()
        return ConsoleDriver if usual is LinuxDriver else usual

    async def on_event(self, event: events.Event) -> None:
        """Run the action of a key before the next key is handled, except while an input has the focus.

        Textual gives a key to the widget that has the focus when the key arrives. Over a slow link several keys arrive
        together, so that a text typed after `/` would go to the list below.
        """
        if isinstance(event, events.Paste):
            # An input draws its text as it is, so a pasted text has to be sanitised.
            event.text = "\n".join(map(sanitize, event.text.splitlines()))
        if not (isinstance(event, events.Key) and not event.is_forwarded and await self._obeyed(event.key)):
            await super().on_event(event)

    async def _obeyed(self, key: str) -> bool:
        if not self.app_focus or isinstance(self.focused, Input | TextArea):
            return False
        return await self._check_bindings(key, priority=True) or await self._check_bindings(key)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a message for `timeout` seconds. Several of one kind within a second become one, with a count.

        `markup` is only here because Textual has it. A message may have text from outside, so it is never markup.
        """
        notification, new = self._notices.say(
            message, title=title, severity=severity, timeout=self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        )
        if new:
            self.post_message(Notify(notification))
        else:
            self.screen.query("Toast").refresh(layout=True)

    def clear_notifications(self) -> None:
        """Remove every message from the screen."""
        self._notices.clear()
        super().clear_notifications()

    def action_suspend(self) -> None:
        """Give the terminal back to the shell, except where that would stop the engine."""
        if self._engine_inside:
            self.notify(
                "not suspended: the engine runs in this console and would stop. "
                "Run it with --daemon, and suspend a console that is attached to it.",
                severity="warning",
            )
        else:
            self.action_suspend_process()

    def action_toggle_mouse(self) -> None:
        """Release the mouse so that the terminal's own selection works, or capture it again."""
        self.mouse_on = not self.mouse_on
        if isinstance(self._driver, ConsoleDriver):
            self._driver.capture_mouse(self.mouse_on)
        if self.mouse_on:
            self.notify("mouse on: click and wheel work here")
        else:
            self.notify("mouse off: select text with the terminal")
