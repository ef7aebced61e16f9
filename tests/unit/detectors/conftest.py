"""Both detectors, fitted on the same ordinary traffic, and the users who lived through it."""

from collections.abc import Callable

import pytest

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.state import UserState
from domain.transaction import Transaction
from tests.unit.detectors.town import settled, traffic


@pytest.fixture(scope="session")
def history() -> list[Transaction]:
    return traffic(4000, seed=1)


@pytest.fixture(scope="session")
def basic(history: list[Transaction]) -> BasicModel:
    return BasicModel.fit(history, version="v1")


@pytest.fixture(scope="session")
def enhanced(history: list[Transaction]) -> EnhancedModel:
    return EnhancedModel.fit(history, version="v1")


@pytest.fixture(scope="session")
def fresh_states(enhanced: EnhancedModel, history: list[Transaction]) -> Callable[[], dict[str, UserState]]:
    """Gives the states after `history` as often as asked, each time to be changed at will."""
    lived = {user: state.to_bytes() for user, state in settled(enhanced, history).items()}
    return lambda: {user: UserState.from_bytes(state) for user, state in lived.items()}


@pytest.fixture
def states(fresh_states: Callable[[], dict[str, UserState]]) -> dict[str, UserState]:
    return fresh_states()
