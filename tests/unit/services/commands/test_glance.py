"""An engine in one line, as a status bar asks for it."""

import msgspec
import pytest

from domain.budget import Budget
from services.commands.glance import DEFAULT, NAMES, check, figures, glance
from services.errors import UserError
from tests.tui.fake_port import QUIET, WORKERS


def test_a_template_says_what_it_names() -> None:
    assert glance("{rate} {lag} {p95:.0f} {open}", QUIET, well=True) == "1284.0 0 38 -"
    known = msgspec.structs.replace(QUIET, open_anomalies=1234)
    assert glance("{open:,} {state}", known, well=False) == "1,234 not well"


def test_every_name_is_one_of_those_listed() -> None:
    assert tuple(figures(QUIET, well=True)) == NAMES


def test_without_a_template_it_names_who_is_not_well() -> None:
    failing = msgspec.structs.replace(WORKERS[1], state="backoff")
    snapshot = msgspec.structs.replace(QUIET, workers=(WORKERS[0], failing))
    shown = glance(DEFAULT, snapshot, well=False)
    assert (
        shown == "12:04:07Z  not well  1284/s  lag 0  age 0 s  p95 38 ms  open -  1 workers running, not well: producer"
    )


def test_it_names_what_the_alert_budget_holds_back_where_there_is_one() -> None:
    held = msgspec.structs.replace(QUIET, open_anomalies=50, budget=Budget(50), over_budget=12)
    assert "  open 50, 12 beyond the budget of 50 a day  3 workers" in glance(DEFAULT, held, well=True)
    assert glance("{over}{budget}", held, well=True) == "12, 12 beyond the budget of 50 a day"
    assert glance("{over}{budget}", QUIET, well=True) == "-"


@pytest.mark.parametrize("template", ["{nothing}", "{rate", "{}", "{rate.real}", "{0}"])
def test_another_template_is_refused_in_words(template: str) -> None:
    with pytest.raises(UserError, match="--format"):
        check(template)


def test_a_format_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="--format"):
        glance("{state:.1f}", QUIET, well=True)
