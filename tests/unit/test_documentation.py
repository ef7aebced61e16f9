"""What the documentation names is there."""

import re
from pathlib import Path

import pytest

from domain.filters.fields import CONDITIONS, FIELDS, SEVERITIES, STATUSES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACES = re.compile(
    r"`((?:domain|simulator|detectors|services|tui|frontend|tests|benchmarks|docs|deploy)/[^\s`*]*|\w+\.(?:toml|sql|yaml))`"
)
LINKS = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")
MADE_BY_USERS = {"anomaly-tui.toml"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_folder_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {ROOT / place for place in set(PLACES.findall(text)) - MADE_BY_USERS}
    linked = {page.parent / target for target in LINKS.findall(text)}
    assert {str(place) for place in named | linked if not place.exists()} == set()


def test_the_architecture_names_every_part_of_services() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    parts = {
        part.name + "/" * part.is_dir()
        for part in (ROOT / "services").iterdir()
        if not part.name.startswith("_") and part.suffix in ("", ".py")
    }
    assert {part for part in parts if f"`{part}`" not in text} == set()


def test_every_part_of_make_test_is_in_the_help_and_in_contributing() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    parts = re.findall(r"^(test-[a-z]+):(.*)", makefile, re.MULTILINE)
    assert len(parts) == 8
    assert [name for name, rest in parts if "## " not in rest or f"make {name}" not in contributing] == []


def test_the_page_on_filters_names_everything_that_a_filter_may_ask() -> None:
    text = (ROOT / "docs" / "filters.md").read_text(encoding="utf-8")
    assert [word for word in (*FIELDS, *CONDITIONS, *SEVERITIES, *STATUSES) if f"`{word}`" not in text] == []
