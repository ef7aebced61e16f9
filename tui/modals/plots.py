"""Plots of one user: amounts over time with the flagged ones marked, and scores against the threshold."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual_plotext import PlotextPlot

from domain.filters import of_user
from domain.sanitize import sanitize
from domain.verdict import ScoredTransaction
from services.console.port import ConsolePort
from services.errors import reason_of
from tui import keymap
from tui.console import keys_of
from tui.widgets.drawing import Line, line, palette_of, rule

TRANSACTIONS = 500
_TICKS = 5


class Plots(ModalScreen[None]):
    """The newest stored transactions of a user. They are plotted once, since a plot takes a tenth of a second."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.PLOTS]

    def __init__(self, user_id: str, port: ConsolePort) -> None:
        super().__init__()
        self._user = user_id
        self._port = port
        self._said = "loading..."

    def compose(self) -> ComposeResult:
        """A title above two plots."""
        with Vertical(id="plots"):
            yield Line(id="plots-title")
            yield PlotextPlot(id="plot-amounts")
            yield PlotextPlot(id="plot-scores")

    def on_mount(self) -> None:
        """Read and plot for the first time."""
        self.action_reload()

    def action_reload(self) -> None:
        """Read the newest transactions and plot them."""
        self.run_worker(self._load(), group="plots", exclusive=True)

    async def _load(self) -> None:
        try:
            newest = await self._port.history(of_user(self._user), TRANSACTIONS)
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._said = f"unavailable: {reason_of(error)}"
        else:
            rows = newest[::-1]
            self._said = f"the newest {len(rows)} stored, × flagged" if rows else "no stored transaction"
            if rows:
                self._plot(rows)
        self._title()

    def _plot(self, rows: tuple[ScoredTransaction, ...]) -> None:
        amounts, scores = self.query_one("#plot-amounts", PlotextPlot), self.query_one("#plot-scores", PlotextPlot)
        times = [row.transaction.timestamp.timestamp() for row in rows]
        values = [float(row.transaction.amount) for row in rows]
        flagged = [index for index, row in enumerate(rows) if row.flagged]
        judged = [(at, row.verdict) for at, row in zip(times, rows, strict=True) if row.verdict is not None]
        currencies = {row.transaction.currency for row in rows}
        amount = f"amount, {sanitize(currencies.pop())}" if len(currencies) == 1 else "amount"
        for plot, title in ((amounts, amount), (scores, "score against threshold")):
            plot.plt.clear_figure()
            plot.plt.title(title)
            plot.plt.xticks(*_ticks(rows))
        if min(values) > 0 and max(values) > 50 * min(values):
            amounts.plt.yscale("log")
        amounts.plt.scatter(times, values, marker="dot", color="cyan")
        if flagged:
            amounts.plt.scatter([times[i] for i in flagged], [values[i] for i in flagged], marker="x", color="red")
        if judged:
            scores.plt.scatter([at for at, _ in judged], [v.score for _, v in judged], marker="dot", color="cyan")
            hits = [(at, v.score) for at, v in judged if v.flagged]
            if hits:
                scores.plt.scatter([at for at, _ in hits], [score for _, score in hits], marker="x", color="red")
            scores.plt.plot(
                [at for at, _ in judged], [v.threshold for _, v in judged], marker="braille", color="orange"
            )
            scores.plt.ylim(0, 1)
        amounts.refresh()
        scores.refresh()

    def on_resize(self) -> None:
        """Redraw the title, since it is cut to the width."""
        self.call_after_refresh(self._title)

    def _title(self) -> None:
        title = self.query_one("#plots-title", Line)
        width = max(1, title.size.width)
        name = f"User {self._user}: {self._said}"
        hints = keys_of(self).hint_text(keymap.PLOTS_HINTS, keymap.PLOTS)
        title.show(line(*rule(name, hints, width, palette_of(self), focused=True), width=width))

    def action_close(self) -> None:
        """Close the window."""
        self.dismiss()


def _ticks(rows: tuple[ScoredTransaction, ...]) -> tuple[list[float], list[str]]:
    """The positions and labels of the time axis, evenly spaced."""
    first, last = rows[0].transaction.timestamp, rows[-1].transaction.timestamp
    span = last - first
    form = "%H:%M:%S" if span.total_seconds() < 600 else "%H:%M" if span.days < 1 else "%m-%d %H:%M"
    moments = [first + span * number / (_TICKS - 1) for number in range(_TICKS)] if span else [first]
    # Of several positions with the same label, the first one is kept.
    labels = {moment.strftime(form): moment.timestamp() for moment in reversed(moments)}
    return list(labels.values()), list(labels)
