import pytest

from domain.sanitize import sanitize
from services.records.export import cell


@pytest.mark.parametrize("plain", ["", "Café Zürich", "東京の店", "[/oops]", "a b", "100 % = €"])
def test_ordinary_text_passes_as_it_is(plain: str) -> None:
    assert sanitize(plain) == plain


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b]52;c;ZXZpbA==\x07",
        "\x9b31m",
        "a\x00b",
        "\x7f",
        "evil\u202etxt",
        "\u2066x\u2069",
        "x\ud800",
        "l\nf",
        "t\tb",
    ],
)
def test_what_could_drive_a_terminal_is_replaced(hostile: str) -> None:
    safe = sanitize(hostile)
    assert len(safe) == len(hostile)
    assert "\ufffd" in safe
    assert all(character.isprintable() for character in safe)


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\x00=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(formula: str) -> None:
    assert cell(formula).startswith("'")


def test_an_ordinary_cell_is_itself() -> None:
    assert cell("t-1") == "t-1"
