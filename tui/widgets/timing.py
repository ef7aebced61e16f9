"""Spans of time, by the clock of the application."""

from typing import Protocol, cast

from textual.widget import Widget


class _Timed(Protocol):
    def monotonic(self) -> float: ...


def seconds(widget: Widget) -> float:
    """Seconds that only go forward, from no particular moment."""
    return cast(_Timed, widget.app).monotonic()
