"""The two detectors' models that judge together."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.feedback import NO_FEEDBACK, Feedback
from domain.verdict import DetectorName

Samples = Mapping[DetectorName, NDArray[np.float64]]
"""Rows of the detectors' samples for drift, shape (n, n_columns)."""


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

    def fitted(self, bodies: Mapping[DetectorName, bytes]) -> "Models":
        """These with the stored models of `bodies` in place; a detector that has none there is off."""
        basic, enhanced = bodies.get("basic"), bodies.get("enhanced")
        return self._replace(
            basic=None if basic is None else BasicModel.from_bytes(basic),
            enhanced=None if enhanced is None else EnhancedModel.from_bytes(enhanced),
        )

    def sampled(self) -> Samples:
        """What the samples got since they were asked last, for the same models in another process."""
        return {name: model.sample.taken() for name, model in self.detectors.items()}

    def remember(self, samples: Samples) -> None:
        """Add what the same models sampled in another process."""
        for name, model in self.detectors.items():
            model.sample.extend(samples[name])
