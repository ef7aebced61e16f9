"""Frauds that lie wholly apart, in histories so short that a user has a handful of transactions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from detectors.enhanced import EnhancedModel
from domain.transaction import Location, Merchant, Transaction

BEGUN = datetime(2026, 1, 5, tzinfo=UTC)
USERS = 200


def stream(anomalous: float, rows: int, seed: int) -> tuple[list[Transaction], list[bool]]:
    """Purchases below 2,000, and frauds over 3,000 from countries never seen, one every 20 seconds; which are which."""
    draw = Random(seed)
    usual = [draw.lognormvariate(4.0, 0.8) for _ in range(USERS)]
    found, frauds, at = [], [], BEGUN
    for number in range(rows):
        at += timedelta(seconds=draw.expovariate(1 / 20))
        user = draw.randrange(USERS)
        fraud = draw.random() < anomalous
        amount = draw.uniform(3000, 9000) if fraud else min(usual[user] * draw.lognormvariate(0.0, 0.6), 1990.0)
        found.append(
            Transaction(
                transaction_id=f"x-{number:06d}",
                user_id=f"u-{user}",
                amount=Decimal(f"{amount:.2f}"),
                currency="EUR",
                timestamp=at,
                location=Location(draw.choice(("XX", "YY", "ZZ")) if fraud else ("DE", "FR", "ES")[user % 3]),
                merchant=Merchant(id=f"m-{draw.randrange(50)}", category=f"c-{draw.randrange(6)}"),
            )
        )
        frauds.append(fraud)
    return found, frauds


def flagged(rows: list[Transaction], fitted_on: int) -> list[bool]:
    """Whether those after the first `fitted_on` are flagged by a model of these."""
    model = EnhancedModel.fit(rows[:fitted_on], version="1")
    return [verdict.flagged for verdict in model.score(rows, {})[fitted_on:]]


@pytest.mark.parametrize("fitted_on", [1_000, 5_000])
@pytest.mark.parametrize("anomalous", [0.01, 0.05])
def test_frauds_that_lie_apart_are_found_and_little_else(anomalous: float, fitted_on: int) -> None:
    rows, frauds = stream(anomalous, 2 * fitted_on, seed=fitted_on)
    alerts = flagged(rows, fitted_on)
    frauds = frauds[fitted_on:]
    caught = sum(fraud and alert for fraud, alert in zip(frauds, alerts, strict=True))
    assert caught >= 0.95 * sum(frauds)
    # Not a tenth about .8: where frauds lie apart there is hardly anything wrong to flag.
    assert caught >= 0.7 * sum(alerts)


@pytest.mark.parametrize("fitted_on", [1_000, 5_000])
def test_where_there_are_none_next_to_nothing_is_flagged(fitted_on: int) -> None:
    rows, _ = stream(0.0, 2 * fitted_on, seed=fitted_on)
    assert sum(flagged(rows, fitted_on)) <= 0.002 * fitted_on


def test_a_stream_of_one_afternoon_has_no_unusual_hours() -> None:
    rows, _ = stream(0.05, 4_000, seed=3)
    model = EnhancedModel.fit(rows[:1_000], version="1")
    told = [reason.feature for verdict in model.score(rows, {}) for reason in verdict.reasons if reason.text]
    assert "hour" not in told
