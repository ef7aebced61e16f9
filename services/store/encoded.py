"""Transactions that were scored elsewhere, as JSON: most are never looked at."""

from collections.abc import Sequence
from typing import overload

import msgspec

from domain.transaction import Transaction

_decode = msgspec.json.Decoder(Transaction).decode


class Encoded(Sequence[Transaction]):
    """Transactions by their records' values as we write them, each decoded when it is asked for."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, number: int) -> Transaction: ...
    @overload
    def __getitem__(self, number: slice) -> list[Transaction]: ...
    def __getitem__(self, number: int | slice) -> Transaction | list[Transaction]:
        if isinstance(number, slice):
            return [_decode(value) for value in self._values[number]]
        return _decode(self._values[number])
