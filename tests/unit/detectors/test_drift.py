"""How far traffic has moved: nothing for the same, a lot for another population."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from math import inf

import numpy as np
import pytest

from detectors.basic import BasicModel
from detectors.drift import ENOUGH, Reference, Sample
from detectors.enhanced import EnhancedModel
from detectors.state import UserState
from domain.transaction import Transaction
from tests.unit.detectors.town import purchase, traffic


def test_the_same_population_has_not_drifted_and_a_shifted_one_has() -> None:
    draw = np.random.default_rng(1)
    reference = Reference.fit(draw.normal(size=(20_000, 1)))
    assert reference.psi(draw.normal(size=(2_000, 1)))[0] < 0.02
    assert 0.1 < reference.psi(draw.normal(0.4, size=(2_000, 1)))[0] < 0.25
    assert reference.psi(draw.normal(1.5, size=(2_000, 1)))[0] > 0.25


def test_psi_is_the_published_sum_over_bins() -> None:
    reference = Reference.fit(np.repeat([[0.0], [1.0]], 5_000, axis=0))
    moved = np.repeat([[0.0], [1.0]], [200, 800], axis=0)
    # Two bins of a half each that became a fifth and four fifths.
    assert reference.psi(moved)[0] == pytest.approx(-0.3 * np.log(0.2 / 0.5) + 0.3 * np.log(0.8 / 0.5), abs=0.02)


def test_missing_values_that_appear_are_drift() -> None:
    draw = np.random.default_rng(2)
    reference = Reference.fit(draw.normal(size=(20_000, 1)))
    half = draw.normal(size=(2_000, 1))
    half[::2] = -inf
    assert reference.psi(half)[0] > 0.25


def test_there_is_no_judgement_on_few_rows() -> None:
    sample = Sample(Reference.fit(np.zeros((100, 1))), ("amount",))
    sample.extend(np.zeros((ENOUGH - 1, 1)))
    assert sample.drift() == {}
    sample.add([0.0])
    assert set(sample.drift()) == {"amount"}


@pytest.fixture
def later() -> list[Transaction]:
    return [
        purchase(
            **{field: getattr(each, field) for field in each.__struct_fields__ if field != "timestamp"},
            timestamp=each.timestamp + timedelta(days=40),
        )
        for each in traffic(6000, seed=5)
    ]


def test_both_detectors_tell_when_amounts_move(
    basic: BasicModel,
    enhanced: EnhancedModel,
    fresh_states: Callable[[], dict[str, UserState]],
    later: list[Transaction],
) -> None:
    inflated = [
        purchase(
            **{field: getattr(each, field) for field in each.__struct_fields__ if field != "amount"},
            amount=each.amount * Decimal(3),
        )
        for each in later
    ]
    for model, feature in ((basic, "amount"), (enhanced, "amount_category")):
        calm, moved = type(model).from_bytes(model.to_bytes()), type(model).from_bytes(model.to_bytes())
        for chosen, sent in ((calm, later), (moved, inflated)):
            if isinstance(chosen, EnhancedModel):
                chosen.score(sent, fresh_states())
            else:
                chosen.score(sent)
        assert calm.drift()[feature] < 0.1, feature
        assert moved.drift()[feature] > 0.25, feature
        assert "score" in moved.drift()
