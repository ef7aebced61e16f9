"""The detail of one transaction: every field, both verdicts, every reason."""

import json

from rich.cells import chop_cells
from rich.style import Style
from rich.text import Text

from domain.sanitize import sanitize
from domain.verdict import ScoredTransaction
from tui import cells
from tui.panes import line
from tui.screens.modal import Modal
from tui.themes import Palette
from tui.why import both, judgement, reason_lines


class Detail(Modal):
    """Everything known of one transaction."""

    TITLE = "Transaction"

    def __init__(self, row: ScoredTransaction) -> None:
        super().__init__()
        self.row = row

    def lines(self, width: int, palette: Palette) -> list[Text]:
        """Fields, then verdicts with their reasons."""
        lines: list[Text] = []
        for name, value in self._fields():
            for number, part in enumerate(_wrapped(sanitize(value), max(1, width - 15))):
                label = f" {name:<13}" if number == 0 else " " * 14
                lines.append(line((label, palette.dim), (part, Style.null()), width=width))
        if self.row.disagreed:
            return [*lines, Text(""), *both(self.row, width, palette)]
        for verdict in self.row.verdicts:
            lines.append(Text(""))
            lines.append(judgement(verdict, width, palette))
            lines += reason_lines(verdict, width, palette, wrap=True)
        return lines

    @property
    def _number(self) -> str:
        """The number in order of commit, which only rows of this run have."""
        return f", number {self.row.sequence}" if self.row.sequence > 0 else ""

    def _fields(self) -> list[tuple[str, str]]:
        transaction = self.row.transaction
        place, merchant, device = transaction.location, transaction.merchant, transaction.device
        where = [part for part in (place.city, place.country) if part]
        if place.latitude is not None and place.longitude is not None:
            where.append(f"({place.latitude:.4f}, {place.longitude:.4f})")
        fields = [
            ("transaction", transaction.transaction_id),
            ("user", transaction.user_id),
            ("amount", f"{cells.money(transaction.amount, transaction.currency)} {transaction.currency}"),
            ("time", f"{transaction.timestamp:%Y-%m-%d %H:%M:%S.%f %Z}"),
            ("type", transaction.transaction_type or ""),
            ("merchant", " · ".join(part for part in (merchant.name, merchant.category, merchant.id) if part)),
            ("location", " ".join(where)),
            ("paid by", transaction.payment_method or ""),
            ("device", " · ".join(part for part in (device.type, device.id, device.ip) if part)),
            ("stored", f"{self.row.stored_at:%Y-%m-%d %H:%M:%S.%f %Z}{self._number}"),
        ]
        if transaction.extra:
            fields.append(("other fields", json.dumps(transaction.extra, ensure_ascii=False, default=str)))
        if self.row.truth is not None:
            truth = self.row.truth
            fields.append(("ground truth", f"{'anomalous' if truth.anomalous else 'normal'} {truth.kind or ''}"))
        return [(name, value) for name, value in fields if value]


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` cells."""
    return chop_cells(text, width) or [""]
