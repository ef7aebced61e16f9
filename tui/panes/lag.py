"""The table of partitions, with the lag of each and when it will be gone."""

from rich.text import Text

from domain.engine import PartitionStatus
from tui import cells
from tui.lag import SMALL, LagTrend, Outlook
from tui.themes import Palette
from tui.widgets.drawing import line

_STRIP = 30
_LEAST_STRIP = 5


def outlook_words(outlook: Outlook, lag: int) -> str:
    """How a lag changes, in words."""
    if lag <= SMALL:
        return "up to date"
    if outlook.seconds is not None:
        return f"catches up in {cells.duration(outlook.seconds)}"
    # Growth of less than a hundredth of the lag in a minute is noise.
    return "falling behind" if outlook.rate * 60 > lag / 100 else "not catching up"


def outlook_mark(outlook: Outlook) -> str:
    """An arrow and the rate of change."""
    if abs(outlook.rate) < 0.5:
        return ""
    return f"{'▲' if outlook.rate > 0 else '▼'}{cells.short(abs(outlook.rate))}/s"


def partition_table(
    partitions: tuple[PartitionStatus, ...], trend: LagTrend, width: int, palette: Palette
) -> list[Text]:
    """One line for each partition: state, next offset, epoch, lag, and how the lag changes."""
    lines = [line((" part  state       next offset epoch        lag           outlook", palette.dim), width=width)]
    room = min(_STRIP, width - 79)
    for partition in partitions:
        lag = "?" if partition.lag < 0 else cells.grouped(partition.lag)
        ink = palette.good if partition.state.lower() == "running" else palette.warn
        outlook = trend.outlook(partition.partition)
        words = outlook_words(outlook, partition.lag) if partition.lag >= 0 else "end not known yet"
        trouble = partition.lag > SMALL and outlook.seconds is None
        lines.append(
            line(
                f" {partition.partition:>4}  ",
                (cells.fit(partition.state.lower(), 10), ink),
                f" {cells.grouped(partition.next_offset):>12} {partition.epoch:>5} {lag:>10} ",
                (f"{outlook_mark(outlook):<9} ", palette.warn if outlook.rate > 0 else palette.good),
                (f"{words:<18} ", palette.warn if trouble else palette.dim),
                (cells.strip(trend.of(partition.partition), room if room >= _LEAST_STRIP else 0), palette.bar),
                width=width,
            )
        )
    return lines
