"""The short profile of a user: amounts, hours, and the usual values."""

import math

from rich.text import Text

from domain.profile import ProfileView, Share
from tui import cells
from tui.themes import Palette
from tui.widgets.drawing import TextPane, line, rule


def profile_lines(
    user_id: str | None, profile: ProfileView | None, problem: str, width: int, palette: Palette
) -> list[Text]:
    """The pane for a user, in lines of `width` cells. `problem` says why there is no profile."""
    lines = [line(*rule(f"User {user_id}" if user_id else "User", standing(profile), width, palette), width=width)]
    if profile is None:
        return [*lines, line((f" {problem}", palette.dim), width=width)]
    if profile.seen < profile.needed:
        lines.append(
            line(
                (" learning ", palette.warn),
                (cells.bar(profile.seen / max(1, profile.needed), 20), palette.bar),
                f" {profile.seen} of {profile.needed}",
                width=width,
            )
        )
    room = max(4, width - 12)
    lines += [
        line(
            (" amounts   ", palette.dim),
            (cells.strip(tuple(map(math.sqrt, profile.recent_amounts)), min(room, 40)), palette.bar),
            width=width,
        ),
        line(
            "           ",
            f"{cells.money(profile.mean_amount)} ± {cells.money(profile.sd_amount)}",
            (f"   {pace(profile.per_day)} a day   flagged {profile.flagged}", palette.dim),
            width=width,
        ),
        line((" hours     ", palette.dim), (cells.strip(profile.hours, 24), palette.bar), width=width),
        line(("           0     6     12    18", palette.dim), width=width),
        line(
            (" weekdays  ", palette.dim),
            *(
                part
                for letter, weight in zip("MTWTFSS", profile.weekdays, strict=False)
                for part in ((letter, palette.dim), (f"{cells.level(weight, max(profile.weekdays))} ", palette.bar))
            ),
            width=width,
        ),
    ]
    for name, shares in (
        ("countries", profile.countries),
        ("category", profile.categories),
        ("merchants", profile.merchants),
        ("pays by", profile.payment_methods),
        ("devices", profile.devices),
    ):
        if shares:
            lines.append(line((f" {name:<10}", palette.dim), usual(shares, room), width=width))
    return lines


def standing(profile: ProfileView | None) -> str:
    """The number of a user's transactions, and their threshold."""
    if profile is None:
        return ""
    return f"{cells.grouped(profile.seen)} seen  threshold {cells.score(profile.threshold)}"


def usual(shares: tuple[Share, ...], room: int) -> str:
    """The largest shares, as many as fit `room` cells without being cut."""
    shown = ""
    for share in sorted(shares, key=lambda share: -share.share):
        more = f"{share.value} {share.share:.0%}"
        candidate = f"{shown}  {more}" if shown else more
        if shown and cells.width(candidate) > room:
            break
        shown = candidate
    return shown


class ProfilePane(TextPane):
    """The pane with the short profile of one user."""


def pace(per_day: float) -> str:
    """Transactions a day; a dash until the user has two of them."""
    if per_day <= 0:
        return "–"
    return cells.grouped(round(per_day)) if per_day >= 10 else f"{per_day:.1f}"
