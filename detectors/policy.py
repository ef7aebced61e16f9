"""What may be flagged."""

from typing import NamedTuple


class Policy(NamedTuple):
    """Alerts of which at most the share `alerts_wrong` is wrong, by the estimate; or, with an `alert_rate`, that share
    of ordinary transactions. Both lie in (0, 1)."""

    alerts_wrong: float = 0.2
    alert_rate: float | None = None


USUAL_POLICY = Policy()
