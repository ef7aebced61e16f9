"""The timeline's events: what changed while engines ran."""

from datetime import datetime
from typing import Literal

import msgspec

Kind = Literal["engine", "worker", "outage", "fit", "rebalance", "loss", "decision"]
"""What changed: the engine started or stopped; a worker was started, stopped or restarted, or crashed; something did
not answer, or does again; other models are in use; partitions came or went; Kafka lost records; an analyst decided."""
Level = Literal["info", "warning", "error"]

MOST_EVENTS = 1_000
"""Events that can be asked for at once."""


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One change, said in `text` in one line: of worker `subject`, or by the analyst of this name.

    `instance` is the engine that saw it, empty for decisions, which every engine on the database sees.
    """

    at: datetime
    kind: Kind
    level: Level = "info"
    subject: str = ""
    text: str
    instance: str = ""
