"""What commands say of a file they have read: how it was taken, and where its rows went."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from domain.sanitize import sanitize
from services.records.intake import Intake


def tell(console: Console, sentences: Sequence[str]) -> None:
    """Write each on a line of its own."""
    for sentence in sentences:
        console.print(sanitize(sentence), markup=False, highlight=False, soft_wrap=True)


def close(console: Console, intake: Intake, taken: str, *more: str) -> int:
    """Say what became of every row; `taken` says it of those that were taken.

    Returns: 1 when any was left out, or read with a remark.
    Raises: UnreadableFile where the file could not be read to its end, after all that.
    """
    rows = intake.rows
    resends = counted(intake.resends, "resend")
    said = f"{counted(rows.read, 'row')} read: {taken}, {resends}, {skipped(intake.skipped)}{rows.left_out:,} left out."
    tell(console, [said])
    name_first(console, [f"{row.place}: {row.reason}" for row in rows.first], rows.left_out)
    tell(console, [*intake.remarks, *more])
    if rows.damage is not None:
        raise rows.damage
    return 0 if intake.flawless else 1


def name_first(console: Console, named: Sequence[str], count: int) -> None:
    """The first of `count` things, and how many more there are."""
    tell(console, [*named, f"... and {count - len(named):,} more"] if count > len(named) else named)


def counted(count: int, one: str) -> str:
    """A number with its noun: 1 row, 2 rows."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def skipped(kinds: Counter[str]) -> str:
    """What stands for no transaction, with a comma behind; nothing where there is none."""
    return "".join(f"{count:,} skipped as {kind}, " for kind, count in kinds.items())
