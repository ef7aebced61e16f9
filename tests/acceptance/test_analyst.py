"""An analyst works through thirty alerts in a console in tmux, while fifty transactions a second come in."""

import re
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from services.store.store import Store
from tests.acceptance.remote import Tmux, console
from tests.acceptance.session import COMMAND, Run, wait_until_started
from tests.waiting import wait_until
from tui.lists.rowlist import READ_WITHIN

RATE, ALERTS, UNDONE, MOST_KEYS = 50, 30, 10, 45
WAYS = (("c", "confirmed"), ("a", "acknowledged"), ("p", "false_positive"))
_EXPLAINED = re.compile(r"^ (u-\d+)  ([\d ]+(?:\.\d+)?) ([A-Z]{3})  ", re.MULTILINE)


class Alert(NamedTuple):
    """What the eye takes in of an alert."""

    user: str
    amount: Decimal
    currency: str


class Analyst:
    """Reads a console and presses keys."""

    def __init__(self, terminal: Tmux) -> None:
        self._terminal = terminal
        self.keys = 0

    def press(self, key: str) -> None:
        self._terminal.run("send-keys", key)
        self.keys += 1

    def read(self, other_than: str = "") -> tuple[str, Alert]:
        """The line under the cursor and what is explained of it, looked at for as long as reading takes.

        `other_than` is the line before, from which the cursor goes on by itself.
        """
        line, since = "", time.monotonic()

        def read() -> bool:
            nonlocal line, since
            screen = self._terminal.screen
            here = next((each for each in screen.splitlines() if each.startswith("▌")), "")
            if here != line:
                line, since = here, time.monotonic()
            user = _EXPLAINED.search(screen)
            told = user is not None and user[1] in here
            return here not in ("", other_than) and told and time.monotonic() - since > READ_WITHIN + 0.1

        wait_until(read, f"an alert to read in\n{self._terminal.screen}")
        found = _EXPLAINED.search(self._terminal.screen)
        assert found is not None
        return line, Alert(found[1], Decimal(found[2].replace(" ", "")), found[3])

    def wait_for_done(self, count: int) -> None:
        """Wait until the bar says that so many are decided on."""
        self._terminal.wait_for(rf"(?m)^ {count} done ")


@pytest.fixture
def fed(environment: dict[str, str], run: Run, tmp_path: Path) -> Iterator[None]:
    """A daemon with the simulator; what it fits its models on comes before."""
    with (tmp_path / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [COMMAND, "--daemon", "--rate", str(RATE), "--users", "60", "--seed", "5", "--history-days", "5"],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    wait_until_started(tmp_path / "daemon.log", 120)
    wait_until(lambda: run("status").returncode == 0, "a daemon that is well", 120)
    yield
    daemon.terminate()
    assert daemon.wait(60) == 0, (tmp_path / "daemon.log").read_text()


@pytest.mark.timeout(300)
async def test_thirty_alerts_are_decided_on_as_they_were_read_and_ten_of_them_undone(
    fed: None, environment: dict[str, str], folder: Path, store: Store
) -> None:
    with console("analyst", environment, folder, "attach") as terminal:
        terminal.wait_for(r"▶LIVE \d")
        wait_until(lambda: re.search(r"▲(\d{2,}) open", terminal.screen), "alerts", 120)
        analyst = Analyst(terminal)
        analyst.press("2")
        wait_until(lambda: int((re.search(r"(\d+) left", terminal.screen) or "00")[1]) > ALERTS, "enough alerts", 120)
        decided: list[tuple[Alert, str]] = []
        before = ""
        while len(decided) < ALERTS:
            line, alert = analyst.read(before)
            key, status = WAYS[len(decided) % len(WAYS)]
            analyst.press(key)
            if key == "p" and len(decided) < len(WAYS):
                terminal.wait_for("False positive:")
                analyst.press("Enter")
            decided.append((alert, status))
            analyst.wait_for_done(len(decided))
            before = line
        assert analyst.keys <= MOST_KEYS

        assert await decisions(store) == decided, "each on what was read"
        for left in range(ALERTS - 1, ALERTS - UNDONE - 1, -1):
            analyst.press("U")
            analyst.wait_for_done(left)
        assert await decisions(store) == decided[:-UNDONE]


async def decisions(store: Store) -> list[tuple[Alert, str]]:
    """The decisions that stand, in their order."""
    rows = await store.pool.fetch(
        "SELECT t.user_id, t.amount, t.currency, d.status FROM triage d JOIN transactions t USING (transaction_id)"
        " WHERE d.status <> 'open' ORDER BY d.decided_at"
    )
    return [(Alert(row["user_id"], row["amount"], row["currency"]), row["status"]) for row in rows]
