"""A user's running state as people read it."""

from datetime import UTC, datetime
from math import sqrt

from detectors.enhanced import EnhancedModel
from detectors.feedback import NO_FEEDBACK, Feedback
from detectors.population import DAY
from detectors.rates import EUR_PER_UNIT
from detectors.sentences import NEEDED
from detectors.state import Counts, UserState
from domain.profile import ProfileView, Share, UserSummary

SHOWN = 10


def view(user_id: str, state: UserState, model: EnhancedModel, feedback: Feedback = NO_FEEDBACK) -> ProfileView:
    """The profile of a user as of the last transaction; amounts in the currency used most."""
    currency, rate = _usual_currency(state)
    return ProfileView(
        user_id=user_id,
        as_of=datetime.fromtimestamp(state.last_time, UTC) if state.seen else None,
        seen=state.seen,
        needed=NEEDED,
        mean_amount=state.amount.mean / rate,
        sd_amount=sqrt(max(state.amount.variance, 0.0)) / rate,
        per_day=DAY / (state.gap.mean + 1.0) if state.gap.count else 0.0,
        threshold=model.threshold(user_id, state, feedback),
        recent_amounts=tuple(amount / rate for amount in state.amounts),
        hours=_weights(state.hours),
        weekdays=_weights(state.weekdays),
        countries=_shares(state.countries),
        categories=_shares(state.categories),
        merchants=_shares(state.merchants),
        devices=_shares(state.devices),
        payment_methods=_shares(state.payment_methods),
        flagged=state.flagged,
        currency=currency,
    )


def summary(user_id: str, state: UserState, model: EnhancedModel, feedback: Feedback = NO_FEEDBACK) -> UserSummary:
    """A user's profile in one line of a list."""
    currency, rate = _usual_currency(state)
    return UserSummary(
        user_id=user_id,
        seen=state.seen,
        needed=NEEDED,
        flagged=state.flagged,
        last_at=datetime.fromtimestamp(state.last_time, UTC) if state.seen else None,
        mean_amount=state.amount.mean / rate,
        currency=currency,
        threshold=model.threshold(user_id, state, feedback),
    )


def _usual_currency(state: UserState) -> tuple[str, float]:
    """The currency used most, and how many euros one unit of it is."""
    currency = max(state.currencies.of, key=state.currencies.of.__getitem__) if state.currencies.of else "EUR"
    return currency, EUR_PER_UNIT.get(currency, 1.0)


def _weights(counts: list[int]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(count / total for count in counts) if total else tuple(0.0 for _ in counts)


def _shares(counts: Counts) -> tuple[Share, ...]:
    strongest = sorted(counts.of.items(), key=lambda item: -item[1])[:SHOWN]
    return tuple(Share(value, float(count), count / counts.total) for value, count in strongest)
