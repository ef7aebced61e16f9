"""The rows of a file, counted, and with every id once."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from domain.transaction import GroundTruth, Transaction
from services.records.files import FileRow, InvalidRow, RowFile, UnreadableFile

SHOWN = 10
_CACHE = "PRAGMA cache_size = -65536"


class Counted:
    """Iterates over the rows of a file as they are, counting them; one that is no transaction counts as left out."""

    def __init__(self, rows: RowFile) -> None:
        self._rows = rows
        self._given = self.left_out = 0
        self.first: list[InvalidRow] = []
        """The first rows that were left out."""
        self.damage: UnreadableFile | None = None
        """Why the file could not be read to its end, once iterating has ended there."""

    def __iter__(self) -> Iterator[FileRow]:
        rows = iter(self._rows)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except UnreadableFile as error:
                self.damage = error
                return
            self._given += 1
            if isinstance(row, InvalidRow):
                self.leave_out(row)
            yield row

    @property
    def read(self) -> int:
        """All rows, also those that are skipped."""
        return self._given + self.skipped.total()

    @property
    def skipped(self) -> Counter[str]:
        """Rows that stand for no transaction, by kind."""
        return self._rows.skipped

    @property
    def updated(self) -> bool:
        """Whether the last row is a change of one that may have been there before."""
        return self._rows.updated

    @property
    def remarks(self) -> list[str]:
        """What can be said of all rows together."""
        return self._rows.closing_remarks

    @property
    def flawless(self) -> bool:
        """Whether no row was left out, and none was read with a remark."""
        return not self.left_out and not self._rows.noted

    def leave_out(self, row: InvalidRow) -> None:
        """Count a row as left out."""
        self.left_out += 1
        if len(self.first) < SHOWN:
            self.first.append(row)


class Intake:
    """Iterates over transactions that can be judged, every id once: rows read = taken + resends + skipped + left out.

    A resend has the id and the content (user, amount and time, as the pipeline compares them) of an earlier row; where
    other fields of it changed, that is a remark. The same id with other content is left out. What the source says
    is a change of an earlier row is skipped, and that row kept, as in the pipeline.
    """

    def __init__(self, rows: RowFile) -> None:
        self._file = rows
        self._ids = _Ids()
        self._conflicts = 0
        self._changed = 0
        self._first_changed = ""
        self.rows = Counted(rows)
        self.taken = self.resends = self.updates = 0

    def __iter__(self) -> Iterator[tuple[Transaction, GroundTruth | None]]:
        for row in self.rows:
            if isinstance(row, InvalidRow):
                continue
            ident = row[0].transaction_id
            earlier = self._ids.seen(row[0])
            if earlier is None:
                self.taken += 1
                yield row
            elif self.rows.updated:
                self.updates += 1
            elif earlier.same_content:
                self.resends += 1
                if not earlier.same_fields:
                    self._changed += 1
                    self._first_changed = self._first_changed or f"{self._file.place}, transaction id {ident!r}"
            else:
                self._conflicts += 1
                reason = f"transaction id {ident!r} was used before by another transaction"
                self.rows.leave_out(InvalidRow(self._file.place, reason, b""))

    @property
    def skipped(self) -> Counter[str]:
        """Rows that stand for no transaction, or for the change of an earlier one, by kind."""
        return self.rows.skipped + Counter(updated=self.updates)

    @property
    def flawless(self) -> bool:
        """Whether no row was left out, and none was read with a remark."""
        return self.rows.flawless and not self._changed

    @property
    def remarks(self) -> list[str]:
        """What can be said of all rows together."""
        found = list(self.rows.remarks)
        if self._changed:
            differ = "1 resend differs" if self._changed == 1 else f"{self._changed:,} resends differ"
            found.append(
                f"{differ} from the row before in other fields; the verdict of that row stands, "
                f"first at {self._first_changed}."
            )
        if self.taken == 1 and self._conflicts > 1:
            found.append(
                "All rows have the same transaction id: map another column to transaction_id,"
                ' or number the rows with transaction_id = "#" in a mapping.'
            )
        return found


class _Earlier(NamedTuple):
    """How a row compares with the first of its id: in user, amount and time, and in all that it says."""

    same_content: bool
    same_fields: bool


class _Ids:
    """The ids of a file, on disk where they are too many for memory."""

    def __init__(self) -> None:
        # The empty name: a file of SQLite's own, made once its cache is full and deleted at the end.
        self._ids = sqlite3.connect("", isolation_level=None)
        self._ids.execute(_CACHE)
        self._ids.execute("PRAGMA journal_mode = OFF")
        self._ids.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID")
        self._ids.execute("BEGIN")

    def seen(self, transaction: Transaction) -> _Earlier | None:
        """None for a new id."""
        content, fields = _digests(transaction)
        ident = transaction.transaction_id
        if self._ids.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (ident, content + fields)).rowcount:
            return None
        (stored,) = self._ids.execute("SELECT content FROM ids WHERE id = ?", (ident,)).fetchone()
        return _Earlier(stored.startswith(content), stored.endswith(fields))


def _digests(transaction: Transaction) -> tuple[bytes, bytes]:
    # 5.0 and 5.00 are one amount.
    amount = transaction.amount.normalize()
    content = (transaction.user_id, amount, transaction.timestamp.timestamp())
    fields = msgspec.structs.replace(transaction, amount=amount)
    return _digest(repr(content).encode()), _digest(msgspec.json.encode(fields))


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()
