"""What tests of triage read."""

from datetime import timedelta

import msgspec
from textual.widget import Widget

from domain.triage import TriageStatus
from domain.verdict import ScoredTransaction
from services.console.port import ConsolePort
from tests.tui.fake_port import NOON, row
from tests.tui.session import shown
from tui.app import ConsoleApp
from tui.lists.anomalies import AnomalyFeed


def state(app: ConsoleApp, sequence: int, where: type[Widget] = AnomalyFeed) -> str:
    """The last word in the line of the row of that sequence."""
    user = f"u-{sequence * 37 % 1000:04}"
    (text,) = [each for each in shown(app, where).splitlines() if user in each]
    return text.split()[-1]


async def status_of(port: ConsolePort, sequence: int) -> TriageStatus | None:
    triage = (await port.triage_of([f"t-{sequence:08}"])).get(f"t-{sequence:08}")
    return triage.status if triage else None


def stored_before(count: int) -> list[ScoredTransaction]:
    """Anomalies of an engine before this one, the newest last, a minute apart."""
    return [
        msgspec.structs.replace(
            row(20 * number),
            sequence=0,
            transaction=msgspec.structs.replace(
                row(20 * number).transaction,
                transaction_id=f"old-{number:05}",
                timestamp=NOON - timedelta(days=1, minutes=count - number),
            ),
        )
        for number in range(1, count + 1)
    ]
