"""A population of users with habits, and the anomalies injected into it. Pure, seeded."""

from simulator.anomalies import KINDS
from simulator.stream import PER_USER_PER_DAY, Simulator, history, rate_of

__all__ = ["KINDS", "PER_USER_PER_DAY", "Simulator", "history", "rate_of"]
