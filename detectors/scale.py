"""The public score: a tail probability on a log scale, bent so that the severity bands mean something.

A rarity of r says that one transaction in 10^r of the history the model was fitted on was as strange or
stranger. The bands follow: unusual is the strangest 5 %, suspicious 0.5 %, critical 0.05 %.
"""

from math import log10

UNUSUAL = -log10(0.05)
SUSPICIOUS = -log10(0.005)
CRITICAL = -log10(0.0005)


def public_score(rarity: float) -> float:
    """The score in [0, 1] of a rarity (-log10 of a tail probability); strictly increasing from 0 on."""
    if rarity < UNUSUAL:
        return 0.5 * rarity / UNUSUAL if rarity > 0.0 else 0.0
    if rarity < SUSPICIOUS:
        return 0.5 + 0.2 * (rarity - UNUSUAL) / (SUSPICIOUS - UNUSUAL)
    if rarity < CRITICAL:
        return 0.7 + 0.2 * (rarity - SUSPICIOUS) / (CRITICAL - SUSPICIOUS)
    # Slower than any exponential, so that two extreme scores still differ after rounding to a double.
    return 1.0 - 0.1 / (1.0 + (rarity - CRITICAL))


def rarity_of_rate(alert_rate: float) -> float:
    """The rarity above which a share `alert_rate`, in (0, 1), of the history lies."""
    if not 0.0 < alert_rate < 1.0:
        raise ValueError(f"alert_rate is {alert_rate}; it must lie between 0 and 1")
    return -log10(alert_rate)


def rarity_of(score: float) -> float:
    """The rarity whose public score is `score`, in [0, 1); of 1 the one of the largest score below."""
    if score < 0.5:
        return score / 0.5 * UNUSUAL
    if score < 0.7:
        return UNUSUAL + (score - 0.5) / 0.2 * (SUSPICIOUS - UNUSUAL)
    if score < 0.9:
        return SUSPICIOUS + (score - 0.7) / 0.2 * (CRITICAL - SUSPICIOUS)
    return CRITICAL + 0.1 / max(1.0 - score, 1e-9) - 1.0
