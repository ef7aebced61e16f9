"""Scoring: features, the basic and the enhanced detector, thresholds, explanations. No I/O, no asyncio.

What a caller needs is here; docs/detection.md has an example. Each name is imported when it is first used, so that
`detectors.habits` alone costs neither numpy nor what the models need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detectors.basic import BasicModel
    from detectors.enhanced import EnhancedModel
    from detectors.feedback import Feedback
    from detectors.models import Models
    from detectors.state import UserState

__all__ = ["BasicModel", "EnhancedModel", "Feedback", "Models", "UserState"]

_MODULES = {
    "BasicModel": "basic",
    "EnhancedModel": "enhanced",
    "Feedback": "feedback",
    "Models": "models",
    "UserState": "state",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
