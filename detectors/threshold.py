"""Adaptive thresholds: one bar for all from the alert budget, and for each user what habit adds to it.

Rarities and bars are -log10 of tail probabilities. A user's bar is raised by alerts that were close calls and
lowered a little by everything else, so that in the long run each user's ordinary transactions are flagged at the
alert rate, wherever the user's habits have moved. Source: Gibbs and Candès, "Adaptive conformal inference under
distribution shift", NeurIPS 2021.
"""

import numpy as np
from numpy.typing import NDArray

from detectors.scale import rarity_of_rate

STEP, LOW, HIGH = 0.25, -0.5, 100.0
CLOSE, CLOSE_SHARE = 1.0, 0.9
"""An alert is a close call up to this far above the bar; nine in ten of ordinary traffic's alerts are. What lies
farther above is likelier fraud, of which the budget does not speak."""

CHASE = 0.05
"""Beyond the source: an alert that is no close call raises the bar by this share of its excess (of at most 10),
so that a user who moved for good is learnt again within weeks, and a fraud's series of alerts goes on."""

RETURN = 2.0
"""Where history had anomalies, most close calls are theirs, not habits': a bar above the common one then comes back to
it by this many times their share of traffic instead of the alert rate, or all bars would end above them."""

DECAY, ROOM = 0.05, 1.0
"""Also beyond it: each transaction that is not flagged takes away 5 % of what the bar stands more than `ROOM`
above it, so that an episode's end is noticed, but not a lasting habit's every ripple flagged."""


def moved(bar: float, base: float, rarity: float, rate: float, returning: float) -> float:
    """The user's bar, on top of `base`, after a transaction of this rarity at the alert rate `rate`.

    `returning` is the `returning_rate` of the model.
    """
    excess = rarity - base - bar
    if excess >= CLOSE:
        return min(bar + CHASE * min(excess, 10.0), HIGH)
    if excess >= 0.0:
        return min(bar + STEP * (1.0 - rate) / CLOSE_SHARE, HIGH)
    idle = bar - ROOM - (rarity - base if rarity > base else 0.0)
    if idle > 0.0:
        bar -= DECAY * idle
    if bar > 0.0:
        bar -= STEP * max(rate, returning)
        return bar if bar > 0.0 else 0.0
    bar -= STEP * rate
    return bar if bar > LOW else LOW


def returning_rate(anomalous: float) -> float:
    """The rate by which bars above the common one come back to it, where history held this share of anomalies."""
    return RETURN * anomalous


def fitted_base(
    users: list[str],
    rarities: NDArray[np.float64],
    counted: NDArray[np.bool_],
    left_out: NDArray[np.bool_],
    rate: float,
) -> float:
    """The bar for all with which history would have had as many alerts as the budget has, or as it has anomalies.

    Found on a replay with users' bars on top of it. `left_out` are the rows beyond what the body of history foretells,
    `counted` those on which alerts are counted; arrays have shape (n,). The result is at most a decade below the
    fixed bar of the alert rate, and at most half a decade above it. Where there are more anomalies than the budget has
    alerts, the number of alerts says nothing about ordinary traffic, and the bar is the fixed one.
    """
    fixed = rarity_of_rate(rate)
    anomalous = float(left_out.mean())
    if anomalous > rate:
        return fixed
    wanted = max(round(rate * int(counted.sum())), int((counted & left_out).sum()))
    values, counts = rarities.tolist(), counted.tolist()
    low, high = max(fixed - 1.0, 0.0), fixed + 0.5
    for _ in range(8):
        base = 0.5 * (low + high)
        if _alerts(users, values, counts, base, rate, returning_rate(anomalous)) >= wanted:
            low = base
        else:
            high = base
    return low


def _alerts(
    users: list[str], rarities: list[float], counted: list[bool], base: float, rate: float, returning: float
) -> int:
    """How many of the transactions that count are flagged."""
    bars: dict[str, float] = {}
    alerts = 0
    for user, rarity, counts in zip(users, rarities, counted, strict=True):
        bar = bars.get(user, 0.0)
        if counts and rarity >= base + bar:
            alerts += 1
        bars[user] = moved(bar, base, rarity, rate, returning)
    return alerts
