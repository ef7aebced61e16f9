"""A handful of transactions, and everything that is compiled called with them once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.state import UserState
from domain.transaction import Transaction


def handful() -> list[Transaction]:
    """Enough transactions to fit on and score, so that everything has run once."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Transaction(
            transaction_id=str(number),
            user_id=str(number % 3),
            amount=Decimal(number + 1),
            currency="EUR",
            timestamp=began + timedelta(hours=number),
        )
        for number in range(64)
    ]


def main(rows: Sequence[Transaction]) -> None:
    """Call everything once."""
    states: dict[str, UserState] = {}
    BasicModel.fit(rows, version="").score(rows)
    EnhancedModel.fit(rows, version="").score(rows, states)
    for state in states.values():
        UserState.from_bytes(state.to_bytes())
