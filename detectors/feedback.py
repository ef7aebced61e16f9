"""What people's decisions say of transactions to come.

Confirmed frauds make a merchant suspect: a compromised terminal charges ordinary amounts to ordinary users, which
only labels reveal. False positives raise a user's bar against the reasons they were flagged for. Both correct the
estimate of what alerts are worth. None of this touches what a user's state learns, so that profiles can be rebuilt from
history. An alert rate of a user's own does: the user's bar settles for it.
"""

from collections.abc import Mapping, Sequence
from math import log10

import msgspec

from detectors.worth import Labels, log_odds
from domain.verdict import Factor, Reason

NEWEST, DAYS = 8, 8
"""Labels that count are 8 to 15 days old: fraud takes a week to be confirmed, and terminals are mended."""

PRIOR = 2.0
"""Transactions at the usual share of fraud that every merchant is taken to have had besides."""

MARGIN = 0.7
"""How much likelier anomalous than a false positive, in natural log-odds, the next transaction for the same reasons
must be: twice."""

NOTICEABLE = 0.1
"""Log-odds below which a tolerance is not worth a word."""


class Tolerance(msgspec.Struct, frozen=True):
    """A false positive of one user: the log-odds that it adds to the threshold, and for which reasons.

    `features` are the reasons' shares of what they all carry, by name; `factor` is that of the strongest. `until` is in
    seconds since 1970.
    """

    transaction_id: str
    until: float
    rise: float
    features: dict[str, float]
    factor: Factor

    @classmethod
    def of(
        cls, transaction_id: str, until: float, score: float, threshold: float, reasons: Sequence[Reason]
    ) -> "Tolerance | None":
        """The tolerance that a false positive of this verdict asks for; None for one that tells none."""
        told = [reason for reason in reasons if reason.factor != "other" and reason.contribution > 0.0]
        if not told:
            return None
        whole = sum(reason.contribution for reason in told)
        return cls(
            transaction_id,
            until,
            max(log_odds(score) - log_odds(threshold), 0.0) + MARGIN,
            {reason.feature: reason.contribution / whole for reason in told},
            max(told, key=lambda reason: reason.contribution).factor,
        )

    def against(self, shares: Mapping[str, float]) -> "Tolerance":
        """This tolerance as far as it goes for a transaction with these shares of its score, by feature.

        All of its rise for the same reasons in the same measure, none for other ones.
        """
        common = sum(min(share, self.features.get(feature, 0.0)) for feature, share in shares.items())
        return msgspec.structs.replace(self, rise=self.rise * min(common, 1.0))


class Feedback(msgspec.Struct, frozen=True):
    """What people decided, as far as it is in force.

    `lifts` are log10 of how much likelier fraud is, by merchant; `seen` and `confirmed` count what they stand on.
    `tolerated` is by user, `alert_rates` are the alert rates of users who have their own, in (0, 1). `labels` are what
    became of alerts, by band of the estimate (`domain.verdict.BANDS`), or nothing.
    """

    lifts: dict[str, float] = {}
    seen: dict[str, int] = {}
    confirmed: dict[str, int] = {}
    tolerated: dict[str, tuple[Tolerance, ...]] = {}
    alert_rates: dict[str, float] = {}
    labels: tuple[Labels, ...] = ()

    def risk(self, merchant: str) -> float:
        """How likely a purchase at this merchant is fraud, by the labels that count."""
        confirmed = self.confirmed.get(merchant, 0)
        return confirmed / (max(self.seen.get(merchant, 0), confirmed) + PRIOR)

    def strongest(self, user: str, time: float, shares: Mapping[str, float]) -> Tolerance | None:
        """The tolerance of this user that raises the bar most at `time` (seconds since 1970), if any does."""
        found = [each.against(shares) for each in self.tolerated.get(user, ()) if time < each.until]
        strongest = max(found, key=lambda each: each.rise, default=None)
        return strongest if strongest is not None and strongest.rise > NOTICEABLE else None


NO_FEEDBACK = Feedback()


def merchant_lifts(seen: Mapping[str, int], confirmed: Mapping[str, int], every: int) -> dict[str, float]:
    """log10 of the lift of merchants with confirmed frauds; none is below 0, since no news is no good news.

    `seen` and `confirmed` count transactions and confirmed frauds by merchant over the days that count, `every` all
    transactions in them. Source: the terminal risk of Le Borgne et al., "Reproducible Machine Learning for Credit Card
    Fraud Detection", 2022, chapter 3.4.
    """
    if not confirmed or every <= 0:
        return {}
    usual = sum(confirmed.values()) / every
    lifts = {
        merchant: log10((frauds + PRIOR * usual) / (max(seen.get(merchant, 0), frauds) + PRIOR) / usual)
        for merchant, frauds in confirmed.items()
    }
    return {merchant: lift for merchant, lift in lifts.items() if lift > 0.0}
