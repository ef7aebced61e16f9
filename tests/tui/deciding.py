"""What tests of triage press and read."""

from datetime import timedelta

import msgspec
from textual.pilot import Pilot
from textual.widget import Widget

from domain.triage import TriageStatus
from domain.verdict import ScoredTransaction
from services.console.port import ConsolePort
from tests.tui.fake_port import NOON, row
from tests.tui.session import shown
from tui.app import ConsoleApp
from tui.lists.anomalies import AnomalyFeed


async def pressed(pilot: Pilot, *keys: str) -> None:
    """Press keys and wait for what each sets off."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


async def settled(pilot: Pilot) -> None:
    """Nothing works any more."""
    await pilot.pause()
    while any(not worker.is_finished for worker in pilot.app.workers):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


def said(app: ConsoleApp) -> list[str]:
    """The notifications on screen."""
    return [notification.message for notification in app._notifications]


def state(app: ConsoleApp, sequence: int, where: type[Widget] = AnomalyFeed) -> str:
    """The last word in the line of the row of that sequence."""
    user = f"u-{sequence * 37 % 1000:04}"
    (text,) = [each for each in shown(app, where).splitlines() if user in each]
    return text.split()[-1]


async def status_of(port: ConsolePort, sequence: int) -> TriageStatus | None:
    triage = (await port.triage([f"t-{sequence:08}"])).get(f"t-{sequence:08}")
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
