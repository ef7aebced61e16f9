"""The two detectors' models that judge together."""

from typing import NamedTuple

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.feedback import NO_FEEDBACK, Feedback
from domain.verdict import DetectorName


class Models(NamedTuple):
    """The models in use, a detector that is switched off being None, and what people decided."""

    basic: BasicModel | None
    enhanced: EnhancedModel | None
    feedback: Feedback = NO_FEEDBACK

    @property
    def detectors(self) -> dict[DetectorName, BasicModel | EnhancedModel]:
        """The models in use by detector."""
        found: dict[DetectorName, BasicModel | EnhancedModel] = {}
        if self.basic is not None:
            found["basic"] = self.basic
        if self.enhanced is not None:
            found["enhanced"] = self.enhanced
        return found

    @property
    def versions(self) -> dict[str, str]:
        """Version by detector."""
        return {name: model.version for name, model in self.detectors.items()}
