"""A population of users with habits, and the anomalies injected into it. Pure, seeded."""

from simulator.anomalies import KINDS
from simulator.stream import Simulator, history

__all__ = ["KINDS", "Simulator", "history"]
