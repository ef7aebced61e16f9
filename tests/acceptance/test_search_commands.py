"""The filter language on the command line: `transactions`, `anomalies` and `users`."""

import csv
import io
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.session import COMMAND, Run, simulated_file
from tests.waiting import wait_until

HOSTILE = (
    "\x1b]52;c;aGVsbG8=\x07",
    "\x9b31mred",
    "\u202egnp.exe",
    "[/oops]",
    "=cmd|'/c calc'!A1",
    "+1",
    "@sum(a1)",
    'a\nb\r\nc,"d"',
)
WITHIN = 30.0
UNSAFE = {"\x1b", "\x07", "\x9b", "\u202e"}


def transactions_file(path: Path, *rows: dict) -> Path:
    """Transactions with these fields, the rest being alike."""
    alike = {"user_id": "u-1", "amount": "12.30", "currency": "EUR", "timestamp": "2026-03-01T12:00:00Z"}
    path.write_text("".join(json.dumps({**alike, **row}) + "\n" for row in rows))
    return path


def ids(shown: subprocess.CompletedProcess[str]) -> list[str]:
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line)["transaction_id"] for line in shown.stdout.splitlines()]


def test_every_format_tells_the_same_newest_first(run: Run, tmp_path: Path) -> None:
    rows = [{"transaction_id": f"t-{n}", "amount": f"{n}.10", "timestamp": f"2026-03-01T12:00:0{n}Z"} for n in range(6)]
    assert run("replay", transactions_file(tmp_path / "some.jsonl", *rows)).returncode == 0
    assert ids(run("transactions", "amount>2", "amount<5", "--json")) == ["t-4", "t-3", "t-2"]
    assert ids(run("transactions", "--json", "--limit", 2)) == ["t-5", "t-4"]
    assert ids(run("transactions", "--json", "(amount>2 | id=t-0)", "-id:t-3")) == ["t-5", "t-4", "t-2", "t-0"]
    cells = list(csv.DictReader(io.StringIO(run("transactions", "--csv", "id=t-3").stdout)))
    assert [(row["transaction_id"], row["amount"], row["timestamp"]) for row in cells] == [
        ("t-3", "3.10", "2026-03-01T12:00:03Z")
    ]
    table = run("transactions", COLUMNS="80").stdout.splitlines()
    assert all(len(line) <= 80 for line in table)
    assert [line.split()[:4] for line in table[1:3]] == [
        ["2026-03-01", "12:00:05", "u-1", "5.10"],
        ["2026-03-01", "12:00:04", "u-1", "4.10"],
    ]
    (exact,) = run("transactions", "--json", "id=t-0").stdout.splitlines()
    assert json.loads(exact)["amount"] == "0.10"
    assert run("transactions", "--json", "--csv").returncode == 1


def test_a_replayed_file_of_long_ago_is_filtered_by_its_own_clock(run: Run, tmp_path: Path) -> None:
    begun = datetime(2025, 3, 1, 12, tzinfo=UTC)
    times = [begun + timedelta(hours=6 * number) for number in range(20)]
    # A lone record of a far future, which is no time to count back from.
    times.insert(10, datetime(2031, 1, 1, tzinfo=UTC))
    rows = [{"transaction_id": f"t-{number}", "timestamp": at.isoformat()} for number, at in enumerate(times)]
    file = transactions_file(tmp_path / "last-year.jsonl", *rows)
    assert run("replay", file).returncode == 0
    assert ids(run("transactions", "--json", "since:1d", "until:2026-01-01")) == [
        f"t-{n}" for n in (20, 19, 18, 17, 16)
    ]
    assert ids(run("transactions", "--json", "since:1h", "until:2026-01-01")) == ["t-20"]
    assert len(ids(run("transactions", "--json"))) == len(times)
    assert "no stored transaction has both" in run("quality", "--since", "1d").stdout.lower()


def test_anomalies_are_flagged_and_users_are_counted(run: Run, tmp_path: Path) -> None:
    assert run("replay", simulated_file(tmp_path / "some.jsonl", 1_600)).returncode == 0
    rows = [json.loads(line) for line in run("transactions", "--json", "--limit", 5_000).stdout.splitlines()]
    assert len(rows) == 1_600
    flagged = [row["transaction_id"] for row in rows if row["flagged"]]
    assert flagged
    assert ids(run("anomalies", "--json", "--limit", 5_000)) == flagged
    found = [json.loads(line) for line in run("users", "--json", "amount>20").stdout.splitlines()]
    over = [row for row in rows if Decimal(row["amount"]) > 20]
    assert {user["user_id"] for user in found} == {row["user_id"] for row in over}
    for user in found:
        own = [row for row in over if row["user_id"] == user["user_id"]]
        assert user["transactions"] == len(own)
        assert user["flagged"] == sum(row["flagged"] for row in own)
        assert user["last_seen"] == max(row["timestamp"] for row in own)
        for currency, total in user["totals"].items():
            assert Decimal(total) == sum(Decimal(row["amount"]) for row in own if row["currency"] == currency)
    assert found == sorted(found, key=lambda user: (-user["flagged"], -user["transactions"], user["user_id"]))
    table = run("users", "amount>20", COLUMNS="70").stdout.splitlines()
    assert all(len(line) <= 70 for line in table)
    assert len(table) == len(found) + 1
    lines = list(csv.DictReader(io.StringIO(run("users", "amount>20", "--csv").stdout)))
    assert [line["user_id"] for line in lines] == [user["user_id"] for user in found]


@pytest.mark.parametrize("command", ["transactions", "anomalies", "users"])
def test_a_filter_that_is_not_understood_shows_where(run: Run, command: str) -> None:
    failed = run(command, "amount>5", "country=>FR")
    assert failed.returncode == 2
    assert failed.stdout == ""
    text, caret = failed.stderr.splitlines()
    assert text == "amount>5 country=>FR"
    assert caret == " " * text.index(">FR") + "^ expected a value"
    assert "\x1b" not in run(command, "amount>\x1b]52;c;x\x07").stderr


def test_nothing_hostile_reaches_the_terminal_or_a_spreadsheet(run: Run, tmp_path: Path) -> None:
    rows = [
        {
            "transaction_id": f"t-{n}",
            "user_id": name,
            "merchant": {"name": name, "category": name},
            "note": {name: name},
        }
        for n, name in enumerate(HOSTILE)
    ]
    replayed = run("replay", transactions_file(tmp_path / "hostile.jsonl", *rows))
    assert replayed.returncode == 0, replayed.stderr
    for options in ((), ("--json",), ("--csv",)):
        for command in ("transactions", "users"):
            shown = run(command, *options)
            assert shown.returncode == 0, shown.stderr
            assert not UNSAFE & set(shown.stdout)
            assert "[/oops]" in shown.stdout
    table = run("transactions").stdout.splitlines()
    assert len(table) == len(HOSTILE) + 1
    cells = [row["merchant_name"] for row in csv.DictReader(io.StringIO(run("transactions", "--csv").stdout))]
    assert {"'=cmd|'/c calc'!A1", "'+1", "'@sum(a1)"} <= set(cells)
    assert all(json.loads(line) for line in run("transactions", "--json").stdout.splitlines())


@contextmanager
def following(environment: dict[str, str], tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen, Path]]:
    """A running `--follow` and the file it writes to."""
    output = tmp_path / "followed"
    with output.open("wb") as file:
        command = [COMMAND, *arguments, "--follow", "--json"]
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=file, stderr=subprocess.PIPE)
        try:
            yield process, output
        finally:
            process.kill()
            process.communicate()


def followed(output: Path) -> list[str]:
    return [json.loads(line)["transaction_id"] for line in output.read_text().splitlines()]


def test_follow_begins_oldest_first_and_goes_on_until_it_is_interrupted(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    rows = [{"transaction_id": f"t-{n}", "timestamp": f"2026-03-01T12:00:0{n}Z"} for n in range(5)]
    assert run("replay", transactions_file(tmp_path / "some.jsonl", *rows)).returncode == 0
    with following(environment, tmp_path, "transactions", "user=u-1", "--limit", "3") as (process, output):
        wait_until(lambda: followed(output) == ["t-2", "t-3", "t-4"], "the newest three", WITHIN)
        later = [
            {"transaction_id": f"late-{n}", "user_id": f"u-{n}", "timestamp": "2026-02-01T00:00:00Z"} for n in (1, 2)
        ]
        assert run("replay", transactions_file(tmp_path / "more.jsonl", *later)).returncode == 0
        wait_until(lambda: len(followed(output)) > 3, "a fourth", WITHIN)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert followed(output) == ["t-2", "t-3", "t-4", "late-1"]


def test_since_keeps_meaning_the_last_minutes_while_following(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    def at(minutes: float) -> str:
        return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()

    first = {"transaction_id": "fresh", "timestamp": at(1)}, {"transaction_id": "old", "timestamp": at(9)}
    assert run("replay", transactions_file(tmp_path / "some.jsonl", *first)).returncode == 0
    with following(environment, tmp_path, "transactions", "since:5m") as (process, output):
        wait_until(lambda: followed(output) == ["fresh"], "the fresh one alone", WITHIN)
        late = {"transaction_id": "fresh-2", "timestamp": at(2)}, {"transaction_id": "old-2", "timestamp": at(8)}
        assert run("replay", transactions_file(tmp_path / "more.jsonl", *late)).returncode == 0
        wait_until(lambda: len(followed(output)) > 1, "a second", WITHIN)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert followed(output) == ["fresh", "fresh-2"]


def test_a_reader_that_has_read_enough_is_no_error(run: Run, environment: dict[str, str], tmp_path: Path) -> None:
    # More than a pipe holds.
    rows = [{"transaction_id": f"t-{number}-{'x' * 200}"} for number in range(900)]
    assert run("replay", transactions_file(tmp_path / "some.jsonl", *rows)).returncode == 0
    command = [COMMAND, "transactions", "--csv", "--limit", "900"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(20)
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(20) == 0


def test_it_works_beside_an_engine_on_the_embedded_database(environment: dict[str, str], tmp_path: Path) -> None:
    embedded = {name: value for name, value in environment.items() if name != "DATABASE_URL"}
    daemon = subprocess.Popen(
        [COMMAND, "--daemon", "--rate", "100"], env=embedded, cwd=tmp_path, stderr=subprocess.PIPE
    )
    try:

        def look(*arguments: str) -> list[str]:
            command = [COMMAND, "transactions", "--json", *arguments]
            return subprocess.check_output(command, env=embedded, cwd=tmp_path, timeout=60).decode().splitlines()

        assert daemon.stderr is not None
        while b"engine started" not in (line := daemon.stderr.readline()):
            assert line, "the engine ended"
        os.set_blocking(daemon.stderr.fileno(), False)
        wait_until(lambda: len(look("since:1h", "--limit", "5")) == 5, "five of the last hour", WITHIN)
        assert daemon.poll() is None
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=30)
    assert daemon.returncode == 0
