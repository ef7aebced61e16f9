"""Why a transaction scored as it did: at most three lines, each with its share of the score and a sentence.

Several features see the same thing: an amount is large for the user, for the category and for everybody. They are
one line, in the words of the strongest. What is not odd by itself is no reason, however much of it adds up.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import log10

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.features import FEATURES
from detectors.feedback import NO_FEEDBACK, Feedback, Tolerance
from detectors.sentences import Said, Situation, sentence
from detectors.verdicts import NO_LINE, Brief
from detectors.worth import Labels, band
from domain.verdict import Factor, Reason

CORRECTED = "corrected"
"""The reason that says what labels changed; it expected the estimate without them."""

LINES, CARRIED = 3, 0.9
"""So many lines are told at most, and fewer where they carry this much of the score."""

NEGLIGIBLE = 0.01
"""The share of a score that is not worth a line `other`."""

ODD = 1.0
"""The rarity from which a feature is odd by itself: one in ten."""

_ODD_ELSE = {"hour": log10(24), "travel": 0.0}
"""An hour is odd where it is rarer than if all hours were alike; a speed always: only impossible ones have a rarity."""

_MERGED = {
    "amount_user": "amount",
    "amount_category": "amount",
    "amount_user_category": "amount",
    "amount_population": "amount",
    "amount_category_low": "small_amount",
    "amount_user_category_low": "small_amount",
    "burst_hour": "pace",
    "gap": "pace",
}

_WORDS = {"spend_day": "spending in a day", "travel": "speed of travel", "pace": "pace of purchases"}
"""Lines whose names do not say in words what they are about."""

MEMORY_INDEX, RISK_INDEX = len(FEATURES), len(FEATURES) + 1
"""The shares that come from this user's recent suspicion and from frauds confirmed at the merchant."""

_LINES: list[tuple[str, Factor]] = [
    *((_MERGED.get(feature.name, feature.name), feature.factor) for feature in FEATURES),
    ("recent_suspicion", "frequency"),
    ("merchant_risk", "merchant"),
]
_OTHER: tuple[str, Factor] = ("other", "other")

_LEAST = [*(feature.weight * _ODD_ELSE.get(feature.name, ODD) ** 2 for feature in FEATURES), 0.0, 0.0]
"""The shares, weighted squares of a rarity, from which features are odd."""


_LEAST_OF = np.array(_LEAST)
_TOLD = (*dict.fromkeys(_LINES), _OTHER)
_LINE_OF = np.array([_TOLD.index(line) for line in _LINES])
_OTHER_LINE = len(_TOLD) - 1
"""Every line once, and the places of each share's and of `other`."""


def strongest(shares: list[float]) -> list[tuple[float, int]]:
    """The lines worth telling, strongest first: each one's part of the score, and the index of its strongest feature.

    `shares` has one non-negative value for each of `FEATURES`, for memory and for the merchant.
    """
    whole: dict[str, float] = {}
    speaker: dict[str, int] = {}
    for index, share in enumerate(shares):
        if share > 0.0:
            name = _LINES[index][0]
            whole[name] = whole.get(name, 0.0) + share
            if share >= _LEAST[index] and (name not in speaker or share > shares[speaker[name]]):
                speaker[name] = index
    total = sum(shares)
    ordered = sorted(((whole[name] / total, index) for name, index in speaker.items()), key=lambda line: -line[0])
    told, carried = [], 0.0
    for line in ordered[:LINES]:
        if carried >= CARRIED:
            break
        told.append(line)
        carried += line[0]
    return told


def named(shares: list[float]) -> dict[str, float]:
    """The lines that `full` tells, as parts of their sum, by name."""
    told = strongest(shares)
    total = sum(part for part, _ in told)
    return {_LINES[index][0]: part / total for part, index in told}


def brief(scores: NDArray[np.float64], shares: NDArray[np.float64]) -> Brief:
    """The lines of the two largest of each row of `shares`, shape (n, n_shares), without sentences. What is not odd is
    `other`."""
    rows = np.arange(len(shares))
    rest = shares.copy()
    first = rest.argmax(axis=1)
    most = rest[rows, first]
    rest[rows, first] = 0.0
    second = rest.argmax(axis=1)
    next_most = rest[rows, second]
    line = np.where((most > 0.0) & (most >= _LEAST_OF[first]), _LINE_OF[first], _OTHER_LINE)
    other = np.where(next_most >= _LEAST_OF[second], _LINE_OF[second], _OTHER_LINE)
    alone = (next_most <= 0.0) | (other == line)
    both = np.where(alone, 1.0, most + next_most)
    return Brief(_TOLD, line, np.where(alone, NO_LINE, other), scores * most / both)


def full(
    score: float, shares: list[float], situation: Situation, feedback: Feedback = NO_FEEDBACK
) -> tuple[Reason, ...]:
    """The lines worth telling, strongest first, and what is left of the score as `other`; call it before `learn`."""
    told = strongest(shares)
    lines = [Reason(*_LINES[index], score * part, *_said(index, situation, feedback)) for part, index in told]
    return with_the_rest(score, lines, _weaker(shares, {line.feature for line in lines}))


def with_the_rest(score: float, told: Sequence[Reason], text: str) -> tuple[Reason, ...]:
    """Reasons that sum to the score: `told`, strongest first, and what they leave as `other`, which `text` describes.

    The last takes the rounding; what is left and negligible goes to the strongest.
    """
    left = score - sum(reason.contribution for reason in told)
    if told and left < NEGLIGIBLE * score:
        first, *more = told
        rest = sum(reason.contribution for reason in more)
        return (msgspec.structs.replace(first, contribution=score - rest), *more)
    return (*told, Reason(*_OTHER, left, text=text))


def _weaker(shares: list[float], told: set[str]) -> str:
    """What `other` stands for."""
    odd = dict.fromkeys(
        name
        for share, least, (name, _) in zip(shares, _LEAST, _LINES, strict=True)
        if 0.0 < share >= least and name not in told
    )
    if odd:
        return f"weaker reasons: {', '.join(_WORDS.get(name, name.replace('_', ' ')) for name in odd)}"
    return "small departures from habit, none of them odd by itself"


def spared(tolerance: Tolerance, usual: float, threshold: float) -> Reason:
    """What a false positive changed: the bar for these reasons, without a share of the score."""
    end = f"{datetime.fromtimestamp(tolerance.until, UTC):%Y-%m-%d}"
    text = (
        f"threshold raised from {usual:.2f} to {threshold:.2f} until {end}: "
        f"{tolerance.transaction_id} was a false positive for the same reasons"
    )
    return Reason("tolerated", tolerance.factor, 0.0, f"{threshold:.2f}", f"{usual:.2f}", text)


def adjusted(estimate: float, score: float, labels: Sequence[Labels]) -> tuple[Reason, ...]:
    """What analysts' decisions on alerts of this estimate changed, without a share of the score; none if nothing that
    can be seen. Where the band has changed the estimate is told, because a decision counts for the one it was in.
    """
    if f"{estimate:.2f}" == f"{score:.2f}" and band(estimate) == band(score):
        return ()
    confirmed, rejected = labels[band(estimate)]
    decided = confirmed + rejected
    said = f"{confirmed} of {decided} such alerts were confirmed" if decided else "other alerts' outcomes"
    text = f"estimate corrected from {estimate:.2f} to {score:.2f}: {said}"
    return (Reason(CORRECTED, "other", 0.0, f"{score:.4f}", f"{estimate:.4f}", text),)


def _said(index: int, situation: Situation, feedback: Feedback) -> Said:
    if index == RISK_INDEX:
        merchant = situation.row.merchant or ""
        confirmed = feedback.confirmed.get(merchant, 0)
        seen = max(feedback.seen.get(merchant, 0), confirmed)
        observed = f"{confirmed} of {seen}"
        what = "transaction" if seen == 1 else "transactions"
        return Said(observed, "none", f"{observed} {what} at this merchant 8 to 15 days before turned out to be fraud")
    if index == MEMORY_INDEX:
        return Said("", "", "this user's previous transactions were suspicious too")
    return sentence(FEATURES[index].name, situation)
