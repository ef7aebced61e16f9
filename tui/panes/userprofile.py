"""The full profile of a user: charts of amounts, hours, weekdays and threshold, and the usual values."""

import math
from collections.abc import Sequence

from rich.text import Text

from domain.profile import ProfileView, Share, ThresholdAt
from tui import cells
from tui.panes.profile import pace, standing, usual
from tui.themes import Palette
from tui.widgets.drawing import TextPane, beside, line, rule

TALL = 30
"""Height of the pane, in lines, from which charts are several lines high."""

_CHART = 4
_BINS = 24
_LABEL = 12
_SHARES = 5
_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def user_lines(
    user_id: str | None, profile: ProfileView | None, problem: str, width: int, height: int, palette: Palette
) -> list[Text]:
    """The profile in lines of `width` cells. Charts are one line high, or several where `height` allows it."""
    lines = [line(*rule(f"User {user_id}" if user_id else "User", standing(profile), width, palette), width=width)]
    if profile is None:
        return [*lines, line((f" {problem}", palette.dim), width=width)]
    tall = height >= TALL
    if profile.seen < profile.needed:
        lines.append(_progress(profile, width, palette))
    lines += _amounts(profile, width, tall, palette)
    lines += [Text("")] if tall else []
    lines += _times(profile, width, tall, palette)
    lines += [Text("")] if tall else []
    lines += _threshold(profile.thresholds, profile.threshold, width, palette)
    groups = (
        ("countries", profile.countries),
        ("merchants", profile.merchants),
        ("categories", profile.categories),
        ("devices", profile.devices),
        ("pays by", profile.payment_methods),
    )
    shown = [(name, shares) for name, shares in groups if shares]
    if not tall:
        room = max(4, width - _LABEL - 1)
        return lines + [
            line((f" {name:<{_LABEL - 1}}", palette.dim), usual(shares, room), width=width) for name, shares in shown
        ]
    half = width // 2
    for number in range(0, len(shown), 2):
        lines.append(Text(""))
        lines += beside([_shares(name, shares, half, palette) for name, shares in shown[number : number + 2]], half)
    return lines


def histogram(amounts: Sequence[float], bins: int) -> tuple[float, ...]:
    """How many amounts fall into each of `bins` ranges between the smallest and the largest, on a log scale."""
    logs = [math.log(amount) for amount in amounts if amount > 0]
    if not logs:
        return ()
    low, high = min(logs), max(logs)
    if high - low < 1e-9:
        return (float(len(logs)),)
    counts = [0.0] * bins
    for value in logs:
        counts[min(bins - 1, int((value - low) / (high - low) * bins))] += 1
    return tuple(counts)


def chart(values: Sequence[float], height: int, each: int = 1) -> list[str]:
    """Upright bars, `each` cells wide and at most `height` lines high, the highest line first."""
    largest = max(values, default=0.0)
    lines = []
    for below in range(height - 1, -1, -1):
        drawn = ""
        for value in values:
            eighths = round(value / largest * height * 8) if largest > 0 else 0
            # A small value is never rounded to nothing.
            eighths = max(eighths, 1) if value > 0 else 0
            drawn += cells.BLOCKS[max(0, min(8, eighths - below * 8))] * each
        lines.append(drawn)
    return lines


def trend(values: Sequence[float], width: int) -> str:
    """The newest `width` values as block characters, scaled between the smallest and the largest of them."""
    shown = values[-width:] if width > 0 else ()
    if not shown:
        return ""
    low, spread = min(shown), max(shown) - min(shown)
    if spread < 0.005:
        return cells.BLOCKS[4] * len(shown)
    return "".join(cells.BLOCKS[1 + round((value - low) / spread * 7)] for value in shown)


def _progress(profile: ProfileView, width: int, palette: Palette) -> Text:
    return line(
        (f" {'learning':<{_LABEL - 1}}", palette.unusual),
        (cells.bar(profile.seen / max(1, profile.needed), 20), palette.bar),
        f" {profile.seen}/{profile.needed} transactions, using population",
        width=width,
    )


def _amounts(profile: ProfileView, width: int, tall: bool, palette: Palette) -> list[Text]:
    recent = [math.sqrt(max(0.0, amount)) for amount in profile.recent_amounts]
    usually = (
        f"{cells.money(profile.mean_amount, profile.currency)} ± {cells.money(profile.sd_amount, profile.currency)}"
    )
    pace_and_flags = f"   {pace(profile.per_day)} a day   flagged {profile.flagged}"
    amounts = _block("amounts", chart(recent, _CHART if tall else 1), width, palette)
    below = line(" " * _LABEL, f"{usually} {profile.currency}", (pace_and_flags, palette.dim), width=width)
    left = max(_LABEL + len(recent), below.cell_len) + 2
    if len(histogram(profile.recent_amounts, 2)) < 2:
        return [*amounts, below]
    low, high = (cells.money(bound, profile.currency) for bound in _bounds(profile.recent_amounts))
    span = f"{low} to {high}"
    room = width - left - _LABEL
    aside = tall and room >= max(len(span), _BINS // 2)
    counts = histogram(profile.recent_amounts, min(_BINS, room) if aside else _BINS)
    if not aside:
        return [*amounts, below, *_block("how often", chart(counts, 1), width, palette, f"  {span}")]
    often = _block("how often", chart(counts, _CHART), width, palette)
    often.append(line((" " * _LABEL + span, palette.dim), width=width))
    return beside([[*amounts, below], often], left)


def _bounds(amounts: Sequence[float]) -> tuple[float, float]:
    positive = [amount for amount in amounts if amount > 0]
    return min(positive), max(positive)


def _times(profile: ProfileView, width: int, tall: bool, palette: Palette) -> list[Text]:
    if not tall:
        days = "".join(
            f"{day[:1]}{cells.level(weight, max(profile.weekdays))} "
            for day, weight in zip(_DAYS, profile.weekdays, strict=True)
        )
        bars = chart(profile.hours, 1)
        return [
            *_block("hours", bars, width, palette, f"   {days}"),
            line((" " * _LABEL + "0     6     12    18", palette.dim), width=width),
        ]
    hours = _block("hours", chart(profile.hours, _CHART, 2), width, palette)
    hours.append(line((" " * _LABEL + "0           6           12          18", palette.dim), width=width))
    left = _LABEL + 48
    aside = width >= left + 3 * (1 + len(_DAYS))
    name = "" if aside else "weekdays"
    indent = 3 if aside else _LABEL
    weekdays = _block(name, chart(profile.weekdays, _CHART, 3), width, palette, indent=indent)
    weekdays.append(line((" " * indent + "".join(f"{day:<3}" for day in _DAYS), palette.dim), width=width))
    return beside([hours, weekdays], left) if aside else [*hours, *weekdays]


def _block(
    name: str, bars: list[str], width: int, palette: Palette, after: str = "", indent: int = _LABEL
) -> list[Text]:
    """A chart with its name before the first line and a text after the last one."""
    return [
        line(
            (f" {name:<{indent - 1}}" if number == 0 else " " * indent, palette.dim),
            (bar, palette.bar),
            (after if number == len(bars) - 1 else "", palette.dim),
            width=width,
        )
        for number, bar in enumerate(bars)
    ]


def _threshold(thresholds: tuple[ThresholdAt, ...], current: float, width: int, palette: Palette) -> list[Text]:
    values = [entry.threshold for entry in thresholds]
    if not values:
        return [line((f" {'threshold':<{_LABEL - 1}}", palette.dim), cells.score(current), width=width)]
    drawn = trend(values, max(4, width - _LABEL - 30))
    low, high = cells.score(min(values)), cells.score(max(values))
    since = f"{thresholds[-len(drawn)].at:%m-%d %H:%M}"
    said = f"  {low} to {high} since {since}" if low != high else f"  {low} since {since}"
    return _block("threshold", [drawn], width, palette, said)


def _shares(name: str, shares: tuple[Share, ...], width: int, palette: Palette) -> list[Text]:
    """The largest shares, each with a bar."""
    strongest = sorted(shares, key=lambda share: -share.share)[:_SHARES]
    lines = []
    for number, share in enumerate(strongest):
        label = f" {name:<{_LABEL - 1}}" if number == 0 else " " * _LABEL
        lines.append(
            line(
                (label, palette.dim),
                cells.fit(share.value, max(4, min(18, width - _LABEL - 17))),
                " ",
                (cells.bar(share.share, 10), palette.bar),
                f" {share.share:>4.0%}",
                width=width - 1,
            )
        )
    return lines


class UserProfilePane(TextPane):
    """The pane with the full profile of one user."""
