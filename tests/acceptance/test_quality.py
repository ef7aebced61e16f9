"""`anomaly-tui quality`, as a user types it."""

import json
from datetime import UTC, datetime, timedelta

from domain.timeline import TimelineEvent
from domain.transaction import GroundTruth
from services.store.store import Store
from tests.acceptance.session import Run
from tests.storing import AT, committed, stored


async def test_quality_is_a_table_and_for_programs_json(store: Store, run: Run) -> None:
    spike, normal = GroundTruth(True, "amount_spike"), GroundTruth(False)
    rows = (
        stored(1, "u", enhanced=True, truth=spike),
        stored(2, "u", basic=True, enhanced=True, truth=spike),
        stored(3, "u", basic=True, truth=normal),
    )
    await committed(store, rows, {})
    shown = run("quality")
    assert shown.returncode == 0, shown.stderr
    assert "recall at the threshold, amount_spike" in shown.stdout
    assert "100.0%" in shown.stdout
    found = json.loads(run("quality", "--json").stdout)
    basic, enhanced = found["detectors"]
    assert (basic["precision"], basic["recall"]) == (0.5, 0.5)
    assert (enhanced["precision"], enhanced["recall"], enhanced["f1"]) == (1.0, 1.0, 1.0)
    assert enhanced["kinds"] == [{"kind": "amount_spike", "anomalous": 2, "caught": 2, "recall": 1.0}]
    later = json.loads(run("quality", "--json", "--since", f"{AT:%Y-%m-%d}T12:02").stdout)
    assert [detector["labelled"] for detector in later["detectors"]] == [2, 2]


async def test_without_ground_truth_it_says_so(store: Store, run: Run) -> None:
    await committed(store, (stored(1, "u"),), {})
    shown = run("quality")
    assert shown.returncode == 0
    assert "No stored transaction has both ground truth and a verdict." in shown.stdout
    assert json.loads(run("quality", "--json").stdout)["detectors"] == []


async def test_thresholds_are_compared_before_one_is_applied(store: Store, run: Run) -> None:
    rows = [stored(number, "u", enhanced=True, truth=GroundTruth(number % 2 == 0)) for number in (1, 2, 3)]
    await committed(store, tuple(rows), {})
    shown = run("quality", "--thresholds", "--at", "0.9", "--at", "0.99")
    assert shown.returncode == 0, shown.stderr
    assert "enhanced: 3 verdicts, the truth of 3 is known" in shown.stdout
    (kept,) = [line.split() for line in shown.stdout.splitlines()[-12:] if ">= 0.9 " in line]
    assert "33.3%" in kept
    basic, enhanced = json.loads(run("quality", "--at", "0.9", "--json").stdout)
    assert (basic["cuts"][1]["alerts"], enhanced["cuts"][1]["alerts"]) == (0, 3)
    refused = run("quality", "--at", "7")
    assert refused.returncode == 1
    assert "--at 7" in refused.stderr


async def test_a_time_that_is_none_is_one_clear_line(store: Store, run: Run) -> None:
    shown = run("quality", "--since", "soon")
    assert shown.returncode == 2 or shown.returncode == 1
    assert "--since soon" in shown.stderr
    assert len(shown.stderr.strip().splitlines()) == 1


async def test_events_are_listed_newest_first_and_one_object_a_line(store: Store, run: Run) -> None:
    now = datetime.now(UTC)
    for minutes, text in ((90, "stopped"), (10, "started")):
        at = now - timedelta(minutes=minutes)
        await store.timeline.add([TimelineEvent(at=at, kind="worker", subject="api", text=text, instance="e")])
    shown = run("events")
    assert shown.returncode == 0, shown.stderr
    assert [line.split()[-1] for line in shown.stdout.splitlines()] == ["started", "stopped"]
    (only,) = run("events", "--since", "1h", "--json").stdout.splitlines()
    assert json.loads(only)["text"] == "started"
    refused = run("events", "--since", "soon")
    assert refused.returncode == 1
    assert "--since soon" in refused.stderr
