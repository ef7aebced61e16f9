"""What a user's own evidence adds to the common bar, in units of rarity.

Where alerts are valued, the common bar is read off their worth, and a user's own only rises for those whose habits go
on being odd from day to day: a burst's records do not raise the bar for the rest of it.

Where a share of ordinary traffic may be flagged instead (`alert_rate`), close calls raise a user's bar and everything
else lowers it, so that each user's ordinary transactions are flagged at that rate. Source: Gibbs and Candès, "Adaptive
conformal inference under distribution shift", NeurIPS 2021.
"""

from detectors.compiled import compiled
from detectors.layout import ALERTED, BAR, RISE, Numbers
from detectors.population import DAY

STEP, LOW, HIGH = 0.25, -0.5, 100.0
CLOSE, CLOSE_SHARE = 1.0, 0.9
"""An alert is a close call up to this far above the bar; nine in ten of ordinary traffic's alerts are. What lies
farther above is likelier fraud, of which the rate does not speak."""

CHASE = 0.05
"""Beyond the source: an alert that is no close call raises the bar by this share of its excess (of at most 10),
so that a user who moved for good is learnt again within weeks, and a fraud's series of alerts goes on."""

RETURN = 2.0
"""Where history had anomalies, most close calls are theirs, not habits': a bar above the common one then comes back to
it by this many times their share of traffic instead of the alert rate, or all bars would end above them."""

DECAY, ROOM = 0.05, 1.0
"""Also beyond it: each transaction that is not flagged takes away 5 % of what the bar stands more than `ROOM`
above it, so that an episode's end is noticed, but not a lasting habit's every ripple flagged."""

LEARNT = 0.3
"""The share of its excess (of at most 10) by which an alert raises a valued bar on a later day."""

STAYS, NO_RISE = 0.75, 0.01
"""What is left of a rise after a transaction that is not flagged; a rise below the second is none."""

FORGIVEN = 0.005
"""What a transaction that is not flagged takes away from a valued bar."""


@compiled
def weigh(numbers: Numbers, time: float, base: float, rarity: float) -> None:
    """Move the user's bar, on top of the valued `base`, past a transaction of this rarity at `time` (seconds since
    1970). `numbers` are the user's, as in `detectors.layout`.

    What an alert teaches waits for a later day's: it fades with each transaction in between that is not flagged.
    Habits that moved for good raise alert upon alert for days; an attack does not outlast the day, or its victim goes
    on as before.
    """
    bar, rise = numbers[BAR], numbers[RISE]
    excess = rarity - base - bar
    if excess < 0.0:
        numbers[BAR] = max(_eased(bar, base, rarity, FORGIVEN), 0.0)
        numbers[RISE] = STAYS * rise if rise > NO_RISE else 0.0
        return
    if time - numbers[ALERTED] < DAY and rise != 0.0:
        return
    numbers[BAR] = min(bar + rise, HIGH)
    numbers[RISE] = max(LEARNT * min(excess, 10.0), STEP)
    numbers[ALERTED] = time


@compiled
def moved(bar: float, base: float, rarity: float, rate: float, returning: float) -> float:
    """The user's bar, on top of `base`, after a transaction of this rarity at the alert rate `rate`.

    `returning` is the `returning_rate` of the model.
    """
    excess = rarity - base - bar
    if excess >= CLOSE:
        return min(bar + CHASE * min(excess, 10.0), HIGH)
    if excess >= 0.0:
        return min(bar + STEP * (1.0 - rate) / CLOSE_SHARE, HIGH)
    if bar > 0.0:
        bar = _eased(bar, base, rarity, STEP * max(rate, returning))
        return bar if bar > 0.0 else 0.0
    bar -= STEP * rate
    return bar if bar > LOW else LOW


@compiled
def _eased(bar: float, base: float, rarity: float, by: float) -> float:
    """A bar after a transaction that was not flagged."""
    idle = bar - ROOM - (rarity - base if rarity > base else 0.0)
    if idle > 0.0:
        bar -= DECAY * idle
    return bar - by


def returning_rate(anomalous: float) -> float:
    """The rate by which bars above the common one come back to it, where history held this share of anomalies."""
    return RETURN * anomalous
