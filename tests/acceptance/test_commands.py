"""The command as a user types it: real processes, real exit codes, one clear line for what is wrong."""

import csv
import json
import signal
import subprocess
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from services.records import wire
from simulator import Simulator
from tests.acceptance.session import COMMAND, Run, simulated_file, stats, wait_until_started


@pytest.mark.parametrize("options", [(), ("--keyed", "rekey")], ids=["read as it is", "re-keyed"])
def test_a_replay_and_a_score_of_the_same_file_agree_on_every_verdict(
    run: Run, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = simulated_file(tmp_path / "some.jsonl", 1_500)
    replayed = run("replay", file, *options)
    assert replayed.returncode == 0, replayed.stderr
    found = stats(run)
    assert found["transactions"] == 1_500
    assert found["verdicts"] == {"basic": 1_500, "enhanced": 1_500}
    assert found["dead_letters"] == 0
    assert sum(row["next_offset"] for row in found["progress"] if row["topic"] == "transactions") == 1_500
    assert {row["topic"] for row in found["progress"] if row["rekeyed"]} == ({"transactions"} if options else set())
    assert [each["topic"] for each in found["rekeying"]] == (["transactions"] if options else [])
    scored = run("score", file, "--output", "scores.csv")
    assert scored.returncode == 0, scored.stderr
    with (tmp_path / "scores.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 3_000
    flagged = {name: sum(r["detector"] == name and r["flagged"] == "true" for r in rows) for name in found["flagged"]}
    assert flagged == found["flagged"]
    assert min(flagged.values()) > 0
    by_either = len({row["transaction_id"] for row in rows if row["flagged"] == "true"})
    assert f"1,500 transactions scored ({by_either:,} flagged)" in " ".join(scored.stderr.split())
    again = run("replay", file, *options)
    assert again.returncode == 0, again.stderr
    assert stats(run)["transactions"] == 1_500
    built = run("init-user-profiles")
    assert built.returncode == 0, built.stderr
    users = {json.loads(line)["user_id"] for line in file.read_text().splitlines()}
    assert f"{len(users)} profiles from 1,500 transactions" in " ".join(built.stdout.split())


def test_scores_go_to_standard_output_where_that_is_asked_for(run: Run, tmp_path: Path) -> None:
    file = simulated_file(tmp_path / "some.jsonl", 400)
    assert run("score", file).returncode == 0
    written = run("score", file, "--output", "-")
    assert written.returncode == 0, written.stderr
    assert written.stdout == (tmp_path / "scores.csv").read_text()
    assert "400 transactions scored" in written.stderr
    assert "The scores are in" not in written.stderr
    assert not (tmp_path / "-").exists()


def test_a_reader_of_scores_that_has_read_enough_is_no_error(environment: dict[str, str], tmp_path: Path) -> None:
    # More than a pipe holds.
    file = simulated_file(tmp_path / "some.jsonl", 2_000)
    command = [COMMAND, "score", file, "--output", "-"]
    process = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("transaction_id,")
    process.stdout.close()
    assert process.stderr is not None
    assert "Error" not in process.stderr.read()
    assert process.wait(60) == 0


def test_rows_that_are_no_transactions_become_dead_letters_and_the_exit_code_says_so(run: Run, tmp_path: Path) -> None:
    file = simulated_file(tmp_path / "some.jsonl", 20)
    with file.open("ab") as appended:
        appended.write(b'\n{"user_id": 1\n{"amount": "1.00"}\n')
    replayed = run("replay", file)
    assert replayed.returncode == 1
    assert "line 21:" in replayed.stderr
    assert "Traceback" not in replayed.stderr
    found = stats(run)
    assert (found["transactions"], found["dead_letters"]) == (20, 2)
    assert run("score", file).returncode == 1


def test_a_model_is_fitted_rolled_back_and_used_again(run: Run, tmp_path: Path) -> None:
    run("replay", simulated_file(tmp_path / "some.jsonl", 1_100))
    before = versions_in_use(run)
    assert run("model", "fit").returncode == 0
    fitted = versions_in_use(run)
    assert fitted != before
    assert run("model", "rollback").returncode == 0
    assert versions_in_use(run) == before
    assert run("model", "rollback").returncode == 1
    assert run("model", "use", fitted.pop()).returncode == 0
    # An older version in use makes no other fit due: what was fitted on is what counts.
    assert run("replay", simulated_file(tmp_path / "some.jsonl", 1_200)).returncode == 0
    assert versions_in_use(run) not in (before, set())


def versions_in_use(run: Run) -> set[str]:
    shown = run("model", "list").stdout
    return {line.split()[0] for line in shown.splitlines() if "in use" in line}


def test_a_foreign_file_is_mapped(run: Run, tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text(
        "tx,who,eur,when,shop\n1,7,12.50,1767225600,Bakery\n2,7,980.00,1767229200,Jeweller\n"
    )
    (tmp_path / "map.toml").write_text(
        'timestamp_format = "s"\n[fields]\ntransaction_id = "tx"\nuser_id = "who"\namount = "eur"\n'
        'timestamp = "when"\n"merchant.name" = "shop"\n'
    )
    replayed = run("replay", "theirs.csv", "--mapping", "map.toml", "--set", "currency=EUR")
    assert replayed.returncode == 0, replayed.stderr
    assert stats(run)["transactions"] == 2


def test_evaluate_shows_every_ranking_of_a_labelled_file(run: Run, tmp_path: Path) -> None:
    stream = Simulator(users=30, anomaly_rate=0.05, seed=12, start=datetime(2026, 3, 2, tzinfo=UTC), rate=0.1).stream()
    rows = [
        {**msgspec.json.decode(wire.encode(transaction)), "label": int(truth.anomalous), "scenario": truth.kind}
        for transaction, truth in islice(stream, 3_000)
    ]
    (tmp_path / "labelled.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    shown = run("evaluate", "labelled.jsonl", "--skip", "1500")
    assert shown.returncode == 0, shown.stderr
    for word in (
        "1,500 rows reported",
        "basic",
        "enhanced",
        "robust z",
        "ROC-AUC",
        "recall at the threshold",
        "recall at 1% FPR, by kind",
        "  scenario new_device",
    ):
        assert word in shown.stdout
    refused = run("evaluate", "labelled.jsonl")
    assert refused.returncode == 1
    assert "There are 3,000 rows, and the first 3,000 are learnt from" in refused.stderr
    assert "--skip-rows 1000" in refused.stderr
    (tmp_path / "bare.jsonl").write_bytes(b"\n".join(wire.encode(transaction) for transaction, _ in islice(stream, 50)))
    refused = run("evaluate", "bare.jsonl")
    assert refused.returncode == 1
    assert "label" in refused.stderr


def test_what_is_stored_is_evaluated_as_its_file_and_each_model_by_what_it_judged(run: Run, tmp_path: Path) -> None:
    stream = Simulator(users=30, anomaly_rate=0.05, seed=12, start=datetime(2026, 3, 2, tzinfo=UTC), rate=0.1).stream()
    rows = [
        {**msgspec.json.decode(wire.encode(transaction)), "label": int(truth.anomalous)}
        for transaction, truth in islice(stream, 2_500)
    ]
    (tmp_path / "labelled.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    (tmp_path / "map.toml").write_text('[label]\nfield = "label"\nanomalous = [1]\n')
    assert run("replay", "labelled.jsonl", "--mapping", "map.toml").returncode == 0
    of_file = run("evaluate", "labelled.jsonl", "--skip", "1500").stdout
    of_store = run("evaluate", "--stored", "--skip", "1500")
    assert of_store.returncode == 0, of_store.stderr
    assert "1,000 rows reported" in of_store.stdout
    assert of_store.stdout.splitlines()[1:] == of_file.splitlines()[1:]
    listed = run("model", "list").stdout.splitlines()
    assert "precision" in listed[0]
    assert any(line.split()[-3].endswith("%") for line in listed if line.startswith("2000-") or "in use" in line)
    refused = run("evaluate", "--stored", "--simulator")
    assert refused.returncode == 1
    assert "one of them" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
def test_a_daemon_scores_and_ends_cleanly_on_a_signal(
    environment: dict[str, str], run: Run, tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "daemon.log"
    command = [COMMAND, "--daemon", "--rate", "200", "--seed", "3", "--log-format", "json", "--log-file", str(log)]
    daemon = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_started(log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = stats(run)
            states = {worker["name"]: worker["state"] for worker in found["workers"] if worker["name"] != "frontend"}
            # The stored status is a heartbeat old: the first may tell of workers that are still to start.
            if found["transactions"] > 100 and set(states.values()) == {"running"}:
                break
            assert daemon.poll() is None, daemon.communicate()[1]
        assert found["transactions"] > 100
        assert {"producer", "pipeline", "database", "broker"} <= set(states)
        assert set(states.values()) == {"running"}
        guessed = run("mapping", "guess", "transactions")
        assert guessed.returncode == 0, guessed.stderr
        assert 'user_id = "user_id"' in guessed.stdout
        second = run("--daemon")
        assert second.returncode != 0
        assert str(daemon.pid) in second.stderr
        daemon.send_signal(number)
        assert daemon.wait(60) == 0
    finally:
        daemon.kill()
        _, errors = daemon.communicate()
    assert "Traceback" not in errors
    said = [msgspec.json.decode(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in said].count("engine started") == 1
    after = stats(run)
    assert (said[-1]["event"], said[-1]["transactions"]) == ("engine stopped", after["transactions"])
    assert after["workers"] == []
    assert after["verdicts"] == dict.fromkeys(("basic", "enhanced"), after["transactions"])


def test_reset_asks_and_deletes_only_after_a_yes(run: Run, tmp_path: Path) -> None:
    run("replay", simulated_file(tmp_path / "some.jsonl", 10))
    refused = run("reset")
    assert refused.returncode == 1, "nobody is there to say yes"
    assert "10 transactions with their verdicts, decisions and notes" in refused.stdout
    assert "Nothing was deleted" in refused.stdout
    assert stats(run)["transactions"] == 10
    assert run("reset", "--yes").returncode == 0
    assert stats(run)["transactions"] == 0


def test_config_shows_each_source_and_no_secret(run: Run) -> None:
    shown = run("config", "--rate", "7", ANOMALY_TUI_USERS="9", DATABASE_URL="postgresql://me:s3cret@db/anomalies")
    assert shown.returncode == 0
    assert "s3cret" not in shown.stdout
    lines = {line.split()[0]: line for line in shown.stdout.splitlines() if line.split()}
    assert "flag" in lines["rate"]
    assert "environment" in lines["users"]
    assert "default" in lines["seed"]


BAD = {
    "missing file": (("replay", "nowhere.csv"), "nowhere.csv"),
    "bad speed": (("replay", "--speed", "fast", "some.csv"), "--speed"),
    "bad mapping": (("replay", "some.csv", "--mapping", "bad.toml"), "bad.toml"),
    "bad database": (("init-db", "--database", "postgresql://127.0.0.1:1/anomalies"), "127.0.0.1:1"),
    "no database URL": (("init-db", "--database", "mysql://x"), "postgresql://"),
    "bad Kafka": (("produce", "--kafka", "127.0.0.1:1"), "127.0.0.1:1"),
    "Kafka without port": (("produce", "--kafka", "somewhere"), "HOST:PORT"),
    "embedded Kafka for one": (("detect", "basic"), "--kafka"),
    "no such model": (("model", "use", "9-abcdef"), "model list"),
    "nothing to fit on": (("model", "fit"), "nothing stored"),
    "nothing to roll back to": (("model", "rollback"), "no earlier version"),
    "nothing to evaluate": (("evaluate",), "--simulator"),
    "no terminal": ((), "--daemon"),
    "no terminal to attach": (("attach",), "ssh -t"),
    "nothing to stop": (("stop",), "anomaly-tui --daemon"),
    "nothing to restart": (("restart", "pipeline"), "anomaly-tui --daemon"),
    "no engine to show": (("run-frontend",), "--api-url"),
    "no API to show": (("run-frontend", "--api-url", "http://127.0.0.1:1"), "http://127.0.0.1:1"),
    "no API at all": (("run-frontend", "--api-url", "nonsense"), "nonsense"),
    "bad way to be keyed": (("--daemon", "--keyed", "maybe"), "--keyed"),
    "bad rate": (("--daemon", "--rate", "0"), "--rate"),
    "data directory is a file": (("--daemon", "--data-dir", "some.csv"), "--data-dir"),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_clear_line(run: Run, tmp_path: Path, arguments: tuple[str, ...], named: str) -> None:
    (tmp_path / "some.csv").write_text("transaction_id\n")
    (tmp_path / "bad.toml").write_text("[fields]\nnonsense = 3\n")
    failed = run(*arguments)
    assert failed.returncode not in (0, 70)
    assert named in failed.stderr
    assert "Traceback" not in failed.stderr
    assert len(failed.stderr.strip().splitlines()) <= 3
