"""A user's running state as people read it."""

from datetime import UTC, datetime
from math import sqrt

from detectors.enhanced import EnhancedModel
from detectors.feedback import NO_FEEDBACK, Feedback
from detectors.habits import Habits, Seen
from detectors.population import DAY
from detectors.rates import EUR_PER_UNIT
from detectors.sentences import NEEDED
from detectors.state import UserState
from domain.profile import ProfileView, Share, UserSummary

SHOWN = 10


def view(user_id: str, state: UserState, model: EnhancedModel, feedback: Feedback = NO_FEEDBACK) -> ProfileView:
    """The profile of a user as of the last transaction; amounts in the currency used most."""
    habits = state.habits()
    currency, rate = _usual_currency(habits)
    return ProfileView(
        user_id=user_id,
        as_of=datetime.fromtimestamp(habits.last_time, UTC) if habits.seen else None,
        seen=habits.seen,
        needed=NEEDED,
        mean_amount=habits.amount.mean / rate,
        sd_amount=sqrt(max(habits.amount.variance, 0.0)) / rate,
        per_day=DAY / (habits.gap.mean + 1.0) if habits.gap.count else 0.0,
        threshold=model.threshold(user_id, state, feedback),
        recent_amounts=tuple(amount / rate for amount in habits.amounts),
        hours=_weights(habits.hours),
        weekdays=_weights(habits.weekdays),
        countries=_shares(habits.countries),
        categories=_shares(habits.categories),
        merchants=_shares(habits.merchants),
        devices=_shares(habits.devices),
        payment_methods=_shares(habits.payment_methods),
        flagged=habits.flagged,
        currency=currency,
    )


def summary(user_id: str, state: UserState, model: EnhancedModel, feedback: Feedback = NO_FEEDBACK) -> UserSummary:
    """A user's profile in one line of a list."""
    habits = state.habits()
    currency, rate = _usual_currency(habits)
    return UserSummary(
        user_id=user_id,
        seen=habits.seen,
        needed=NEEDED,
        flagged=habits.flagged,
        last_at=datetime.fromtimestamp(habits.last_time, UTC) if habits.seen else None,
        mean_amount=habits.amount.mean / rate,
        currency=currency,
        threshold=model.threshold(user_id, state, feedback),
    )


def _usual_currency(habits: Habits) -> tuple[str, float]:
    """The currency used most, and how many euros one unit of it is."""
    currency = max(habits.currencies.of, key=habits.currencies.of.__getitem__) if habits.currencies.of else "EUR"
    return currency, EUR_PER_UNIT.get(currency, 1.0)


def _weights(counts: list[int]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(count / total for count in counts) if total else tuple(0.0 for _ in counts)


def _shares(counts: Seen) -> tuple[Share, ...]:
    strongest = sorted(counts.of.items(), key=lambda item: -item[1])[:SHOWN]
    return tuple(Share(value, float(count), count / counts.total) for value, count in strongest)
