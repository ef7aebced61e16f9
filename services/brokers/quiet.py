"""Clients of librdkafka that write nothing to stderr, where a console is."""

import logging
from typing import Any

_nowhere = logging.getLogger("librdkafka")
_nowhere.addHandler(logging.NullHandler())
_nowhere.propagate = False

QUIET: dict[str, Any] = {"log_level": 0, "logger": _nowhere}
"""Options of every client: problems are reported as errors. librdkafka writes fatal ones
at any log level."""
