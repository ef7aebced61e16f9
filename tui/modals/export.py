"""Export to a CSV or JSON lines file, of the rows that are listed or of the stored ones that match the filter."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from domain.filters import parse
from domain.verdict import ScoredTransaction
from services.errors import reason_of
from services.records.export import ExportFile, Format
from tui import cells, keymap
from tui.console import console_of, keys_of
from tui.themes import Palette
from tui.widgets.drawing import Line, TextPane, line, palette_of, rule
from tui.widgets.field import Field

HISTORY_LIMIT = 10_000
"""The most stored rows in one export. The command line has no such limit."""

_CHUNK = 1_000


class Export(ModalScreen[None]):
    """Asks for source, format and file; Enter writes. `rows` are those listed, `text` is the filter they match."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.EXPORT]

    def __init__(self, title: str, text: str, rows: Sequence[ScoredTransaction]) -> None:
        super().__init__()
        self._list = title
        self._text = text
        self._rows = rows
        self._stored = False
        self._format = Format.CSV
        self._replace: Path | None = None
        self._said: tuple[str, bool] = ("", False)

    def compose(self) -> ComposeResult:
        """The choices above the name of the file, and a line for the outcome."""
        with Vertical(id="modal", classes="export"):
            yield Line(id="modal-title")
            yield TextPane(id="export-choices")
            with Horizontal(classes="ask-row"):
                yield Line(id="export-prompt")
                yield Field(id="export-file", compact=True, select_on_focus=False)
            yield Line(id="export-said")

    def on_mount(self) -> None:
        """Offer a name that no earlier export has."""
        field = self.query_one(Field)
        field.put(f"anomaly-tui-{console_of(self).clock():%Y%m%d-%H%M%S}.{self._format.value}")
        field.focus()

    def on_resize(self) -> None:
        """Redraw, since lines are cut to the width."""
        self.call_after_refresh(self._draw)

    def on_screen_resume(self) -> None:
        """Draw at once."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        palette = palette_of(self)
        choices = self.query_one(TextPane)
        width = max(1, choices.size.width)
        hints = keys_of(self).hint_text(keymap.EXPORT_HINTS, keymap.EXPORT)
        title = rule("Export", hints, width, palette, focused=True)
        self.query_one("#modal-title", Line).show(line(*title, width=width))
        choices.show(self._choices(width, palette))
        self.query_one("#export-prompt", Line).show(line((" file    ", palette.dim), width=9))
        said, wrong = self._said
        self.query_one("#export-said", Line).show(
            line((f" {said}", palette.bad if wrong else palette.good), width=width)
        )

    def _choices(self, width: int, palette: Palette) -> list[Text]:
        shown = f"{cells.grouped(len(self._rows))} rows of the {self._list.lower()} listed"
        stored = f"stored history, the newest {cells.grouped(HISTORY_LIMIT)} at most"
        formats = {Format.CSV: "CSV", Format.JSONL: "JSON lines"}
        picked = {True: "● ", False: "○ "}
        return [
            line((" filter  ", palette.dim), (self._text or "none: everything", palette.strong), width=width),
            line((" what    ", palette.dim), picked[not self._stored], shown, width=width),
            line("         ", picked[self._stored], stored, width=width),
            line(
                (" format  ", palette.dim),
                "   ".join(picked[known is self._format] + name for known, name in formats.items()),
                width=width,
            ),
        ]

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self._said = (text, wrong)
        self._draw()

    def action_source(self) -> None:
        """Switch between the rows listed and the stored ones."""
        self._stored = not self._stored
        self._say("")

    def action_format(self) -> None:
        """Switch between CSV and JSON lines, also in the name of the file."""
        before, self._format = self._format, Format.CSV if self._format is Format.JSONL else Format.JSONL
        field = self.query_one(Field)
        if field.value.endswith(f".{before.value}"):
            field.put(f"{field.value.removesuffix(before.value)}{self._format.value}")
        self._say("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._replace = None

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        path = Path(event.value.strip()).expanduser()
        if not event.value.strip():
            self._say("A file needs a name.", wrong=True)
        elif not any(not worker.is_finished for worker in self.workers if worker.group == "export"):
            self.run_worker(self._write(path, replace=path == self._replace), group="export")

    async def _write(self, path: Path, *, replace: bool) -> None:
        try:
            self._say("reading history..." if self._stored else "")
            rows = await self._matching() if self._stored else self._rows
            await self._written(ExportFile(path, self._format, replace=replace), rows)
        except FileExistsError:
            self._replace = path
            self._say(f"{path} exists: Enter again replaces it.", wrong=True)
        except OSError as error:
            self._say(f"{path}: {(error.strerror or str(error)).lower()}", wrong=True)
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._say(f"history unavailable: {reason_of(error)}", wrong=True)
        else:
            capped = self._stored and len(rows) == HISTORY_LIMIT
            more = "; more with: anomaly-tui transactions --csv" if capped else ""
            self.app.notify(f"{cells.grouped(len(rows))} rows are in {path}{more}")
            self.dismiss()

    async def _matching(self) -> Sequence[ScoredTransaction]:
        """The stored rows that match now: `since:5m` counts back from this moment."""
        return await console_of(self).port.history(parse(self._text, console_of(self).stream_clock()), HISTORY_LIMIT)

    async def _written(self, file: ExportFile, rows: Sequence[ScoredTransaction]) -> None:
        await asyncio.to_thread(file.open)
        try:
            for start in range(0, len(rows), _CHUNK):
                await asyncio.to_thread(file.write, rows[start : start + _CHUNK])
                self._say(f"{cells.grouped(min(len(rows), start + _CHUNK))} of {cells.grouped(len(rows))} rows")
            await asyncio.to_thread(file.finish)
        except BaseException:
            file.discard()
            raise

    def action_close(self) -> None:
        """Close. An export that has not finished leaves no file."""
        self.dismiss()
