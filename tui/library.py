"""The user's own files: recent filters, named views, the leniency, and the last copied text."""

import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from services.errors import UserError

RECENT_FILTERS = 200
MAX_NAME = 60
MAX_BYTES = 4 * 1024 * 1024


class CannotKeep(UserError):
    """A file could not be written. The message is one line that says which and why."""


class Kept(msgspec.Struct, frozen=True):
    """Recent filters, newest last and without duplicates, and the filters of the views by name.

    `leniency` is how long detectors are lenient after a false positive, as it was typed; empty until it was asked for.
    """

    recent: tuple[str, ...] = ()
    views: dict[str, str] = {}
    leniency: str = ""


class Library:
    """Filters and views in `console.json` and the last copied text in `copied.txt`, readable by their owner only.

    `kept` changes even when the disk refuses. `problem` is one line about a file that could not be read; such a file
    is renamed, not overwritten. Without a folder nothing is written. The methods wait for the disk and may be called
    from any thread. Every method that writes raises CannotKeep.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.problem = ""
        self.kept = Kept()
        self._lock = threading.Lock()
        try:
            self.kept = self._read()
        except (OSError, msgspec.MsgspecError, UnicodeError) as error:
            self.problem = f"{self._file} cannot be read: {_reason(error)}."
            if not isinstance(error, OSError):
                aside = self._file.with_suffix(".broken")
                with suppress(OSError):
                    self._file.replace(aside)
                    self.problem += f" It is now {aside.name}."

    def remember(self, text: str) -> None:
        """Make a filter the newest of the recent ones."""
        if text:
            self._change(
                lambda kept: replace(
                    kept, recent=(*(old for old in kept.recent if old != text), text)[-RECENT_FILTERS:]
                )
            )

    def save_view(self, name: str, text: str) -> None:
        """Save a filter as a view. A view with the same name is replaced."""
        self._change(lambda kept: replace(kept, views={**kept.views, name: text}))

    def rename_view(self, name: str, new: str) -> None:
        """Rename a view."""
        self._change(
            lambda kept: replace(kept, views={new if old == name else old: text for old, text in kept.views.items()})
        )

    def delete_view(self, name: str) -> None:
        """Delete a view."""
        self._change(lambda kept: replace(kept, views={old: text for old, text in kept.views.items() if old != name}))

    def keep_leniency(self, span: str) -> None:
        """Make `span`, such as 30d, the leniency after a false positive."""
        self._change(lambda kept: replace(kept, leniency=span))

    def keep_copy(self, text: str) -> Path | None:
        """Write copied text to a file; returns the file, None without a folder."""
        if self.folder is None:
            return None
        return self._write(self.folder / "copied.txt", text.encode())

    @property
    def _file(self) -> Path:
        return (self.folder or Path()) / "console.json"

    def _read(self) -> Kept:
        if self.folder is None or not self._file.exists():
            return self.kept
        with self._file.open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=Kept)

    def _change(self, change: Callable[[Kept], Kept]) -> None:
        with self._lock:
            # Another console may have saved a view since this one read the file.
            with suppress(OSError, msgspec.MsgspecError, UnicodeError):
                self.kept = self._read()
            self.kept = change(self.kept)
            if self.folder is not None:
                self._write(self._file, msgspec.json.format(msgspec.json.encode(self.kept)))

    def _write(self, path: Path, content: bytes) -> Path:
        """Replace a file in one step, readable by its owner only."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(draft).replace(path)
            except BaseException:
                Path(draft).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise CannotKeep(f"{path} cannot be written: {_reason(error)}.") from error
        return path


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
