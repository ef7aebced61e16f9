"""What the Live screen says of rows, users and the engine."""

from datetime import timedelta

import msgspec
import pytest

from domain.engine import Backlog, History, WorkerStatus
from domain.transaction import Merchant
from tests.tui.fake_port import NOON, WORKERS, FakePort, row, rows
from tests.tui.session import SLOW_HZ, clock, pressed, running, said, shown, strips, text_of
from tui.app import ConsoleApp
from tui.intake import PULL_LIMIT
from tui.lists.anomalies import AnomalyFeed
from tui.lists.feed import Feed
from tui.widgets.reading import Reading


async def test_an_empty_engine_says_that_it_waits() -> None:
    async with running(FakePort()) as (app, pilot):
        assert "waiting for the first transaction..." in shown(app, Feed)
        await pilot.press("k", "j", "g", "G", "n", "left_square_bracket", "enter", "f", "space", "x", "u")


async def test_warming_detectors_say_so() -> None:
    async with running(FakePort([row(sequence, status="warming") for sequence in range(1, 30)])) as (app, _):
        assert "warming up: detectors learn from the first 1,000 transactions" in shown(app, AnomalyFeed)


async def test_the_wide_layout_shows_everything_of_the_newest_anomaly() -> None:
    async with running(FakePort(rows(100)), size=(160, 48)) as (app, pilot):
        await app.workers.wait_for_complete()
        await pilot.pause()
        why = shown(app, "#why")
        assert "u-0700" in why
        assert ".91 ≥ .72" in why
        assert ".04 < .60" in why
        assert "Malta, never seen" in why
        assert "FR 89%" in shown(app, "#profile")
        health = shown(app, "#health")
        assert "in memory" in health
        assert "p3 lag 3" in health


async def test_the_panes_follow_the_cursor_once_it_moves() -> None:
    async with running(FakePort(rows(100)), size=(160, 48)) as (app, pilot):
        await pilot.press("k")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "u-0663" in shown(app, "#why")
        assert "User u-0663" in shown(app, "#profile")


async def test_the_selection_survives_eviction() -> None:
    port = FakePort(rows(10))
    app = ConsoleApp(port, refresh_hz=0.01, clock=clock)
    app.intake.feed.buffer.capacity = 100
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("g")
        port.add(rows(500, first=11))
        app.tick()
        await pilot.pause()
        feed = app.screen.query_one(Feed)
        assert feed.selected == row(1)
        assert "u-0037" in shown(app, "#why")
        await pilot.press("j")
        assert feed.selected is not None
        assert feed.selected.sequence == 412


async def test_the_view_stays_put_while_rows_arrive() -> None:
    port = FakePort(rows(200))
    async with running(port) as (app, pilot):
        await pilot.press("pageup", "k", "k")
        before = shown(app, Feed).splitlines()[2:]
        port.add(rows(300, first=201))
        app.tick()
        await pilot.pause()
        assert shown(app, Feed).splitlines()[2:] == before


async def test_a_profile_that_cannot_be_read_is_said() -> None:
    port = FakePort(rows(40))
    port.profile_error = ConnectionError("database is away")
    async with running(port) as (app, pilot):
        await pilot.press("u")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "profile unavailable: database is away" in shown(app, "#profile")


async def test_a_profile_is_asked_for_once_while_its_user_stays() -> None:
    port = FakePort(rows(40))
    async with running(port, size=(160, 48)) as (app, pilot):
        for _ in range(5):
            app.tick()
            await app.workers.wait_for_complete()
            await pilot.pause()
        assert port.profiles_asked == ["u-0480"]


async def test_troubled_workers_are_obvious() -> None:
    failed = WorkerStatus(name="writer", state="failed", restarts=5, last_error="boom", since=NOON)
    backoff = WorkerStatus(name="detectors", state="backoff", detail="restart 2 in 4.0 s", restarts=1, since=NOON)
    port = FakePort(rows(40), workers=(*WORKERS[:2], backoff, failed), offset_gaps=31, dead_letters=2)
    async with running(port) as (app, pilot):
        assert "✗ writer FAILED: boom" in shown(app, "#summary")
        status = shown(app, "#status")
        assert "D! W✗" in status
        assert "gaps 31" in status
        await pilot.press("4")
        await app.workers.wait_for_complete()
        await pilot.pause()
        await pilot.press("G")
        text = shown(app, Reading)
        assert "amount: expected a number, got 'lots'" in text
        assert "not JSON" in text
        await pilot.press("g")
        await pilot.pause()
        assert "31 offset gaps" in shown(app, Reading)


async def test_a_detector_error_is_a_mark_and_words() -> None:
    async with running(FakePort([*rows(5), row(6, status="error")])) as (app, _):
        assert "✗ err" in shown(app, Feed)


async def test_what_is_not_shown_is_counted() -> None:
    port = FakePort(rows(10))
    async with running(port, size=(120, 30)) as (app, pilot):
        port.add(rows(PULL_LIMIT + 7, first=11))
        app.tick()
        await pilot.pause()
        assert app.intake.missed == 7
        assert "drop 7" in shown(app, "#status")


@pytest.mark.parametrize(
    "busy",
    [{"backlog": Backlog(total=90_000, left=40_000, rate=9_000.0)}, {"history": History(total=90_000, stored=50_000)}],
    ids=["backlog", "history"],
)
async def test_a_backlog_is_not_counted_as_missed(busy: dict[str, Backlog | History]) -> None:
    port = FakePort(rows(10), **busy)
    async with running(port, size=(120, 30)) as (app, pilot):
        port.add(rows(PULL_LIMIT + 7, first=11))
        port.changes.clear()
        app.tick()
        port.add(rows(PULL_LIMIT + 9, first=PULL_LIMIT + 18))
        app.tick()
        await pilot.pause()
        assert app.intake.missed == 9


async def test_the_status_line_tells_rate_latency_queue_and_age() -> None:
    async with running(FakePort(rows(40)), size=(120, 30)) as (app, _):
        status = shown(app, "#status")
        for part in ("▶LIVE 1284/s", "p95 38ms", "lag 0", "pg q 12", "▲2 open", "age 0.2s", "12:04Z"):
            assert part in status


async def test_another_day_is_shown_with_its_date() -> None:
    old = row(1)
    yesterday = msgspec.structs.replace(old.transaction, timestamp=NOON - timedelta(days=40))
    async with running(FakePort([msgspec.structs.replace(old, transaction=yesterday)])) as (app, _):
        assert "02-02 12:04" in shown(app, Feed)


HOSTILE = (
    "[/oops]",
    "[bold red]x[/]",
    "\x1b]52;c;aGVsbG8=\x07",
    "\x9b31mred",
    "\u202egnp.exe",
    "a\nb\tc",
    "\ud800lone",
    "\u200bzero\ufeffwidth",
    "日本語のとても長い商店の名前です",
)


async def test_ground_truth_is_hidden_until_it_is_asked_for() -> None:
    async with running(FakePort(rows(100)), size=(160, 48)) as (app, pilot):
        await pressed(pilot, "left_square_bracket")
        assert "amount_spike" not in text_of(app)
        await pressed(pilot, "enter")
        assert "ground truth" not in text_of(app)
        await pressed(pilot, "escape", "T")
        assert "anomalous (amount_spike)" in shown(app, "#why")
        await pressed(pilot, "enter")
        assert "ground truth" in text_of(app)
        await pressed(pilot, "escape", "T")
        assert "amount_spike" not in text_of(app)


async def test_a_console_can_begin_with_ground_truth_shown() -> None:
    app = ConsoleApp(FakePort(rows(100)), refresh_hz=SLOW_HZ, clock=clock, show_truth=True)
    async with app.run_test(size=(160, 48)) as pilot:
        await pressed(pilot, "left_square_bracket")
        assert "anomalous (amount_spike)" in shown(app, "#why")


async def test_ctrl_z_says_why_a_console_with_its_engine_is_not_suspended() -> None:
    async with running(FakePort(rows(20)), notifications=True) as (app, pilot):
        await pressed(pilot, "ctrl+z")
        (notice,) = said(app)
        assert notice.startswith("not suspended: the engine runs in this console")


async def test_ctrl_z_suspends_an_attached_console(monkeypatch: pytest.MonkeyPatch) -> None:
    suspended: list[bool] = []
    monkeypatch.setattr(ConsoleApp, "action_suspend_process", lambda _: suspended.append(True))
    app = ConsoleApp(FakePort(rows(20)), refresh_hz=SLOW_HZ, clock=clock, engine_inside=False)
    async with app.run_test() as pilot:
        await pressed(pilot, "ctrl+z")
    assert suspended == [True]


async def test_hostile_merchants_do_not_break_out() -> None:
    unsafe = {"\x1b", "\x07", "\x9b", "\u202e", "\n", "\t", "\ud800", "\u200b", "\ufeff"}
    port = FakePort([row(20 * number, merchant=name) for number, name in enumerate(HOSTILE, start=1)])
    for size in ((80, 24), (160, 48)):
        async with running(port, size=size) as (app, pilot):
            for _ in HOSTILE:
                await pilot.press("left_square_bracket", "enter")
                await pilot.pause()
                assert all(strip.cell_length == size[0] for strip in strips(app))
                assert not unsafe & set(text_of(app))
                await pilot.press("escape")
            text = shown(app, Feed)
            assert "[/oops]" in text
            assert "[bold red]" in text


async def test_hostile_text_everywhere_else_is_only_text() -> None:
    evil = "[/oops]\x1b]52;c;x\x07"
    workers = (WorkerStatus(name=evil, state="failed", detail=evil, last_error=evil, since=NOON),)
    port = FakePort(
        [
            msgspec.structs.replace(
                row(20),
                transaction=msgspec.structs.replace(
                    row(20).transaction, user_id=evil, currency=evil, merchant=Merchant(name=evil), extra={evil: evil}
                ),
            )
        ],
        workers=workers,
        broker=evil,
        database=evil,
    )
    port.log_lines = [msgspec.structs.replace(port.log_lines[0], message=evil, source=evil)]
    async with running(port, size=(160, 48)) as (app, pilot):
        for keys in (["x"], ["u"], ["enter"], ["escape", "slash", *"[/oops]", "enter"], ["4"], ["5"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert not {"\x1b", "\x07"} & set(text_of(app))


async def test_a_reason_is_not_cut_where_there_is_room_below_it() -> None:
    port = FakePort(rows(100))
    async with running(port) as (app, pilot):
        await pressed(pilot, "left_square_bracket", "left_square_bracket", "x")
        text = " ".join(shown(app, "#why").split())
        assert "at 3 in the morning, usually between 9h and 19h" in text.replace("▌", "")
