"""The Health screen, its trends, and the workers under control."""

from datetime import timedelta

import msgspec
import pytest

from domain.accounting import Account
from domain.engine import FeatureDrift, PartitionStatus, Snapshot, WorkerStatus
from domain.timeline import TimelineEvent
from tests.tui.fake_port import NOON, QUALITY, QUIET, WORKERS, FakePort, rows
from tests.tui.session import pressed, running, shown
from tui.lag import KEPT, LagTrend
from tui.modals.confirm import Confirm
from tui.modals.workers import Workers
from tui.panes.health import component_lines, summary
from tui.panes.lag import outlook_mark, outlook_words
from tui.screens.health import HealthScreen
from tui.themes import THEMES
from tui.themes import palette as palette_of
from tui.widgets.reading import Reading

PIPELINE = WorkerStatus(name="pipeline", state="running", detail="partitions: 4 running", since=NOON)
FAILING = WorkerStatus(
    name="models", state="backoff", detail="restart 2 in 3.1 s", restarts=1, since=NOON, last_error="OSError: gone"
)


def at(seconds: float, *lags: int) -> Snapshot:
    """The engine `seconds` after noon, with a partition for each lag."""
    partitions = tuple(PartitionStatus(number, "running", 10, lag, 1) for number, lag in enumerate(lags))
    return msgspec.structs.replace(QUIET, at=NOON + timedelta(seconds=seconds), partitions=partitions)


def trend_of(*lags: int) -> LagTrend:
    """One partition, a sample a second."""
    trend = LagTrend()
    for second, lag in enumerate(lags):
        trend.add(at(second, lag))
    return trend


def words(trend: LagTrend) -> str:
    return outlook_words(trend.outlook(0), int(trend.of(0)[-1]))


def test_a_lag_that_shrinks_is_gone_after_a_while() -> None:
    trend = trend_of(*range(1000, 400, -20))
    assert words(trend) == "catches up in 21s"
    assert outlook_mark(trend.outlook(0)) == "▼20/s"


def test_a_lag_that_grows_falls_behind_and_one_that_stays_does_not_catch_up() -> None:
    assert words(trend_of(*range(100, 1000, 30))) == "falling behind"
    assert outlook_mark(trend_of(*range(100, 1000, 30)).outlook(0)) == "▲30/s"
    assert words(trend_of(*[5000] * 20)) == "not catching up"
    assert outlook_mark(trend_of(*[5000] * 20).outlook(0)) == ""


def test_a_small_lag_is_what_is_being_worked_on() -> None:
    assert words(trend_of(0, 12, 40)) == "up to date"


def test_samples_are_bounded_a_second_apart_and_leave_out_what_is_not_known() -> None:
    trend = LagTrend()
    for tenth in range(10 * (KEPT + 50)):
        trend.add(at(tenth / 10, 7, -1))
    assert len(trend.of(0)) == KEPT
    assert trend.of(1) == ()
    assert trend.total == (7.0,) * KEPT


def test_a_trend_without_samples_says_nothing_is_wrong() -> None:
    assert outlook_words(LagTrend().outlook(), 0) == "up to date"


async def test_health_shows_what_each_worker_does_and_did_wrong() -> None:
    port = FakePort(rows(20), workers=(*WORKERS[:2], PIPELINE, FAILING))
    async with running(port, size=(100, 48)) as (app, pilot):
        await pilot.press("4")
        text = shown(app, Reading)
        assert "1 284/s  queue 12  to commit  p50 12ms  p95 38ms  p99 90ms" in text
        assert "last error: OSError: gone" in text
        assert "↻1" in text
        assert "frontend not started" in text


async def test_a_frontend_is_a_worker_like_any_other() -> None:
    async with running(FakePort(rows(20)), size=(100, 48)) as (app, pilot):
        await pilot.press("4")
        assert "frontend not started" not in shown(app, Reading)
        assert "frontend" in shown(app, Reading)


async def test_health_shows_where_lag_is_going() -> None:
    port = FakePort(rows(20))
    async with running(port, size=(120, 48)) as (app, pilot):
        for second in range(20):
            snapshot = at(second, 3, 200 + 40 * second, 3000 - 100 * second)
            port.changes |= {"at": snapshot.at, "partitions": snapshot.partitions, "lag": 3200}
            app.intake.pull()
        await pilot.press("4")
        lines = shown(app, Reading).splitlines()
        assert any("up to date" in each for each in lines)
        assert any("▲40/s" in each and "falling behind" in each for each in lines)
        assert any("▼100/s" in each and "catches up in 11s" in each for each in lines)


async def test_health_without_partitions_says_so() -> None:
    async with running(FakePort(rows(20), partitions=()), size=(100, 48)) as (app, pilot):
        await pilot.press("4")
        assert "the pipeline has none" in shown(app, Reading)


async def test_quality_and_drift_are_hidden_where_nothing_is_known() -> None:
    async with running(FakePort(rows(20)), size=(100, 48)) as (app, pilot):
        await pilot.press("4")
        assert "Quality" not in shown(app, Reading)
        assert "Drift" not in shown(app, Reading)


async def test_quality_is_shown_live_and_counted_over_all_that_is_stored() -> None:
    async with running(FakePort(rows(20), quality=QUALITY), size=(100, 60)) as (app, pilot):
        await pilot.press("4")
        text = shown(app, Reading)
        assert "300 of 600 in 12 000" in text
        assert "92.3%" in text, "precision"
        assert "81.0%" in text, "precision as it was estimated"
        assert "83% of 200" in text, "what became of scores of .8"
        assert "impossible_travel" in text
        assert "80 000" not in text
        await pilot.press("h")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "480 of 600 in 80 000" in shown(app, Reading)
        await pressed(pilot, "G")
        assert "score ≥ .98" in shown(app, Reading), "what other thresholds would have flagged"


async def test_drift_is_told_in_words_the_worst_first() -> None:
    drift = (
        FeatureDrift("enhanced", "hour", 0.02),
        FeatureDrift("enhanced", "velocity_1h", 0.14),
        FeatureDrift("basic", "amount", 0.31),
    )
    async with running(FakePort(rows(20), drift=drift), size=(100, 48)) as (app, pilot):
        await pilot.press("4")
        lines = [each for each in shown(app, Reading).splitlines() if "PSI" in each or "stable" in each]
        assert "basic" in lines[0]
        assert "drifted" in lines[0]
        assert "velocity_1h" in lines[1]
        assert "moving" in lines[1]
        assert "1 features stable" in lines[2]


async def test_workers_are_chosen_started_and_restarted() -> None:
    port = FakePort(rows(20))
    async with running(port) as (app, pilot):
        await pilot.press("W", "j", "j", "k", "r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(app.screen, Workers)
        assert "producer is running" in shown(app, Reading)
        await pilot.press("G", "j", "j", "j", "s")
        await app.workers.wait_for_complete()
        assert port.controlled == [("producer", "restart"), ("frontend", "start")]
        await pilot.press("escape")
        assert not isinstance(app.screen, Workers)


async def test_stopping_a_worker_asks_first() -> None:
    port = FakePort(rows(20))
    async with running(port) as (app, pilot):
        await pilot.press("4", "W", "j", "s")
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        assert "Stop producer?" in shown(app, Reading)
        await pilot.press("n")
        assert isinstance(app.screen, Workers)
        await pilot.press("x")
        assert isinstance(app.screen, Workers), "x explains a score elsewhere, and does nothing here"
        await pilot.press("s", "y")
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert port.controlled == [("producer", "stop")]
        assert "producer is stopped" in shown(app, Reading)
        await pilot.press("W")
        assert isinstance(app.screen, HealthScreen)


async def test_health_shows_what_changed_in_the_last_hour() -> None:
    port = FakePort(rows(20))
    port.timeline = [
        TimelineEvent(at=NOON - timedelta(hours=2), kind="engine", text="started"),
        TimelineEvent(at=NOON, kind="decision", subject="ann", text="confirmed as fraud: u-0071"),
        TimelineEvent(at=NOON, kind="worker", level="error", subject="models", text="crashed: OSError: gone"),
    ]
    async with running(port, size=(100, 48)) as (app, pilot):
        await pressed(pilot, "4")
        text = shown(app, Reading)
        assert "2 in the last hour" in text
        assert "✗ 12:04:07Z models        crashed: OSError: gone" in text
        assert "· 12:04:07Z ann           confirmed as fraud: u-0071" in text


async def test_health_says_nothing_of_changes_where_there_were_none() -> None:
    async with running(FakePort(rows(20)), size=(100, 48)) as (app, pilot):
        await pressed(pilot, "4")
        assert "Changes" not in shown(app, Reading)


def test_a_frontend_that_is_off_is_no_fault_and_a_stopped_worker_is_named() -> None:
    palette = palette_of(THEMES[0])
    assert "✓ 3 workers running  " in summary(QUIET, 120, palette).plain
    stopped = (*WORKERS[:1], msgspec.structs.replace(WORKERS[1], state="stopped"), *WORKERS[2:])
    snapshot = msgspec.structs.replace(QUIET, workers=stopped)
    assert "✓ 2 workers running, producer stopped  " in summary(snapshot, 120, palette).plain


@pytest.mark.parametrize(("error", "said"), [(KeyError("x"), "there is no worker"), (OSError("gone"), "broker: gone")])
async def test_a_worker_that_cannot_be_controlled_is_said(error: Exception, said: str) -> None:
    port = FakePort(rows(20))
    port.control_error = error
    async with running(port) as (app, pilot):
        await pilot.press("W", "r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert said in shown(app, Reading)


def test_a_topic_that_was_made_again_is_said_in_red() -> None:
    palette = palette_of(THEMES[0])
    snapshot = msgspec.structs.replace(QUIET, topic_resets=4)
    (said,) = [line for line in component_lines(snapshot, 120, palette) if "made again" in line.plain]
    assert "✗ 4 partitions read again: topic made again or shortened" in said.plain
    assert any(span.style == palette.bad for span in said.spans)
    assert "topic made again" in summary(snapshot, 120, palette).plain


async def test_health_accounts_for_every_offset() -> None:
    partitions = tuple(
        PartitionStatus(number, "running", 6_172, 0, 1, account=Account(stored=6_150, resends=10, dead=12))
        for number in range(2)
    )
    async with running(FakePort(rows(20), partitions=partitions), size=(100, 48)) as (app, pilot):
        await pilot.press("4")
        assert "12,344 = 12,300 stored + 20 resends + 24 dead" in shown(app, Reading)


async def test_what_is_stored_comes_into_view_on_a_small_terminal() -> None:
    async with running(FakePort(rows(20), quality=QUALITY), size=(80, 24)) as (app, pilot):
        await pressed(pilot, "4", "h")
        assert "all that is stored" in shown(app, Reading).splitlines()[0]
        assert "score ≥ .98" in shown(app, Reading), "what other thresholds would have flagged"
        await pressed(pilot, "g")
        assert "Engine" in shown(app, Reading), "it is scrolled there once"
