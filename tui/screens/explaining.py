"""What would not have been flagged, for the Why pane: asked once for each alert that the user stops at."""

import math
import textwrap

from rich.text import Text

from domain.sanitize import sanitize
from domain.verdict import Counterfactual, ScoredTransaction
from tui.console import console_of
from tui.screens.base import ConsoleScreen
from tui.screens.inquiry import Inquiry
from tui.themes import Palette
from tui.widgets.drawing import line


class Explaining:
    """Adds the smallest change with which an alert would not have been flagged to its reasons, where there is room.

    The engine is asked about the alert under the cursor only, one question at a time.
    """

    def __init__(self, screen: ConsoleScreen) -> None:
        self._found: Inquiry[str, Counterfactual] = Inquiry(
            screen, "explanation", lambda ident: console_of(screen).port.explain(ident), math.inf
        )

    def lines(self, row: ScoredTransaction | None, taken: int, width: int, height: int, palette: Palette) -> list[Text]:
        """The lines to put below the `taken` lines of reasons; none where they do not fit, or nothing is known."""
        if row is None or not row.flagged or taken >= height:
            return []
        ident = row.transaction.transaction_id
        self._found.want(ident)
        found = self._found.of(ident)
        if found is None:
            return []
        wrapped = textwrap.wrap(sanitize(found.text), max(1, width - 2))
        return (
            [line((f" {part}", palette.strong), width=width) for part in wrapped]
            if taken + len(wrapped) <= height
            else []
        )
