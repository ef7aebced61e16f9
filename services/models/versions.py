"""Enhanced models by the version that stored verdicts name."""

from detectors.enhanced import EnhancedModel
from services.store.store import Store


class Versions:
    """What each transaction was learnt by; `stand_in` where that is unknown or can no longer be used."""

    def __init__(self, store: Store, stand_in: EnhancedModel) -> None:
        warming = EnhancedModel.warming()
        self._store = store
        self._stand_in = stand_in
        self._models: dict[str | None, EnhancedModel | None] = {None: None, warming.version: warming}

    async def of(self, version: str | None) -> EnhancedModel:
        """The model of a version, or what stands in for it. Raises `faults` errors."""
        if version not in self._models:
            assert version is not None
            body = await self._store.model("enhanced", version)
            self._models[version] = None if body is None else EnhancedModel.from_bytes(body)
        return self._models[version] or self._stand_in

    def missing(self, version: str | None) -> bool:
        """Whether something else stands in for a version that was asked for."""
        return self._models[version] is None
