"""The small site, and a cache of its own."""

from pathlib import Path

import pytest

from tests.integration.frontend.site import write_site


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The sources of the small site."""
    return write_site(tmp_path / "site")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache folder."""
    return tmp_path / "cache"
