"""What `detectors` offers to callers, and what it spares those who want one part of it."""

import subprocess
import sys

import pytest

import detectors


@pytest.mark.parametrize("name", detectors.__all__)
def test_each_name_that_is_offered_can_be_imported(name: str) -> None:
    assert getattr(detectors, name).__name__ == name


def test_a_name_that_is_not_offered_is_refused_as_by_any_module() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Oracle'"):
        detectors.Oracle  # noqa: B018


def test_a_users_habits_cost_neither_numpy_nor_the_models() -> None:
    code = "import sys, detectors.habits; print({'numpy', 'sklearn', 'detectors.basic'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
