"""Both detectors, fitted on the same ordinary traffic."""

import pytest
from town import settled, traffic

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.state import UserState
from domain.transaction import Transaction


@pytest.fixture(scope="session")
def history() -> list[Transaction]:
    return traffic(4000, seed=1)


@pytest.fixture(scope="session")
def basic(history: list[Transaction]) -> BasicModel:
    return BasicModel.fit(history, version="v1")


@pytest.fixture(scope="session")
def enhanced(history: list[Transaction]) -> EnhancedModel:
    return EnhancedModel.fit(history, version="v1")


@pytest.fixture
def states(enhanced: EnhancedModel, history: list[Transaction]) -> dict[str, UserState]:
    return settled(enhanced, history)
