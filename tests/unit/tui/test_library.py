"""What is kept on disk: recent filters, views and the last copy."""

import stat
from pathlib import Path

import pytest

from tui.library import RECENT_FILTERS, CannotKeep, Library


def test_filters_and_views_survive_a_restart(tmp_path: Path) -> None:
    library = Library(tmp_path / "data")
    for text in ("a", "b", "a", ""):
        library.remember(text)
    library.save_view("big", "amount>500")
    library.save_view("far", "-country:FR")
    library.rename_view("big", "large")
    library.delete_view("far")
    again = Library(tmp_path / "data")
    assert again.kept.recent == ("b", "a")
    assert again.kept.views == {"large": "amount>500"}
    assert not again.problem
    assert stat.S_IMODE((tmp_path / "data" / "console.json").stat().st_mode) == 0o600


def test_recent_filters_are_bounded() -> None:
    library = Library()
    for number in range(RECENT_FILTERS + 5):
        library.remember(f"amount>{number}")
    assert len(library.kept.recent) == RECENT_FILTERS
    assert library.kept.recent[-1] == f"amount>{RECENT_FILTERS + 4}"


def test_two_consoles_do_not_lose_each_others_views(tmp_path: Path) -> None:
    one, other = Library(tmp_path), Library(tmp_path)
    one.save_view("one", "a")
    other.save_view("other", "b")
    assert Library(tmp_path).kept.views == {"one": "a", "other": "b"}


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b'{"recent": 3}', b""])
def test_a_broken_file_is_put_aside_and_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "console.json").write_bytes(content)
    library = Library(tmp_path)
    assert "console.broken" in library.problem
    assert (tmp_path / "console.broken").read_bytes() == content
    library.remember("a")
    assert Library(tmp_path).kept.recent == ("a",)


def test_a_disk_that_refuses_is_one_line_and_memory_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    library = Library(tmp_path / "file")
    with pytest.raises(CannotKeep, match="cannot be written"):
        library.remember("a")
    assert library.kept.recent == ("a",)
    with pytest.raises(CannotKeep):
        library.keep_copy("x")


def test_a_copy_is_private(tmp_path: Path) -> None:
    file = Library(tmp_path).keep_copy("a line\n")
    assert file == tmp_path / "copied.txt"
    assert file.read_text() == "a line\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["copied.txt"]
