"""When models are fitted, on what, and how a fit becomes a version. Shared by the engine and `score`."""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.models import Models
from detectors.policy import Policy
from domain.transaction import Transaction
from domain.verdict import DetectorChoice

HISTORY_ROWS = 200_000
"""A fit uses at most this many of the newest transactions: some dozens of each of thousands of users, enough to
distinguish a user's own habits from those of the population."""

_FIRST_FITS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
_OFTEN, _SELDOM = 100_000, 1_000_000
"""A fit takes half a minute of a core: at 2,000 transactions a second one was running half of the time when each
`_OFTEN` of a long history brought one."""


def next_fit(trained_rows: int) -> int:
    """The number of stored transactions at which the next fit is due.

    1,000, 2,000, 5,000, 10,000, 20,000, 50,000, then every 100,000, and from 1,000,000 on every 1,000,000.
    """
    if trained_rows < _FIRST_FITS[-1]:
        return _FIRST_FITS[bisect_right(_FIRST_FITS, trained_rows)]
    every = _OFTEN if trained_rows < _SELDOM else _SELDOM
    return (trained_rows // every + 1) * every


def due(stored: int, trained_rows: int) -> bool:
    """Whether there is enough new history for another fit."""
    return stored >= next_fit(trained_rows)


def near(stored: int, trained_rows: int) -> bool:
    """Whether a fit will be due so soon that a process may wait for it: within 1,000 transactions, or a tenth, at
    most 10,000.
    """
    coming = next_fit(trained_rows)
    return stored >= coming - min(max(1_000, coming // 10), 10_000)


def warming(choice: DetectorChoice) -> Models:
    """Models before any history: they score, but flag nothing."""
    return Models(
        BasicModel.warming() if choice != "enhanced" else None,
        EnhancedModel.warming() if choice != "basic" else None,
    )


def fit(history: Sequence[Transaction], stored: int, choice: DetectorChoice, policy: Policy) -> Models:
    """Fit the chosen detectors on history.

    `history` is the newest `HISTORY_ROWS` of `stored` transactions; it is put into (event time, id) order,
    so that the same transactions give the same models wherever they come from.
    """
    ordered = sorted(history, key=lambda t: (t.timestamp, t.transaction_id))[-HISTORY_ROWS:]
    version = version_of(ordered, stored)
    return Models(
        BasicModel.fit(ordered, version=version, policy=policy) if choice != "enhanced" else None,
        EnhancedModel.fit(ordered, version=version, policy=policy) if choice != "basic" else None,
    )


def version_of(history: Sequence[Transaction], stored: int) -> str:
    """A name that says on how many transactions a model stands, and on which."""
    digest = hashlib.blake2b(digest_size=3)
    for transaction in (history[0], history[-1]):
        digest.update(transaction.transaction_id.encode(errors="replace"))
    return f"{stored}-{digest.hexdigest()}"


def figures(history: Sequence[Transaction]) -> dict[str, int | str]:
    """The figures of any fit: rows, users, and the first and last event of the history."""
    times = [transaction.timestamp for transaction in history]
    return {
        "rows": len(history),
        "users": len({transaction.user_id for transaction in history}),
        "from": min(times).isoformat(timespec="seconds"),
        "to": max(times).isoformat(timespec="seconds"),
    }
