"""Files as people have them, through the commands: what is said adds up, and the exit code tells."""

import csv
import subprocess
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from services.records import wire
from simulator import Simulator
from tests.acceptance.session import COMMAND, Run

HEADER = "transaction_id,user_id,amount,currency,timestamp,merchant_name"
LINES = [
    'z1,u1,20.00,USD,2026-11-26T08:00:01Z,"Diner',
    "z2,u1,24.00,USD,2026-11-26T08:00:02Z,Diner",
    "z3,u1,5.00,USD,2026-11-26T08:00:03Z,Kiosk",
    "z3,u1,5.00,USD,2026-11-26T08:00:03Z,Kiosk",
    "z3,u1,9.00,USD,2026-11-26T08:00:03Z,Kiosk",
]


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    return path


def test_a_score_says_what_became_of_every_row(run: Run, tmp_path: Path) -> None:
    scored = run("score", table(tmp_path / "some.csv", *LINES), "-o", "some-scores.csv")
    assert scored.returncode == 1
    assert scored.stderr.splitlines()[-4:] == [
        "5 rows read: 2 transactions scored (0 flagged), 1 resend, 2 left out.",
        "line 2: the quote that opens in 'merchant_name' is not closed before the next row begins",
        "line 6: transaction id 'z3' was used before by another transaction",
        "The scores are in some-scores.csv.",
    ]
    with (tmp_path / "some-scores.csv").open(newline="") as file:
        assert [line["transaction_id"] for line in csv.DictReader(file)] == ["z2", "z2", "z3", "z3"]


def test_a_table_of_changes_is_read_by_the_rules_of_a_topic(run: Run, tmp_path: Path) -> None:
    row = dict(zip(HEADER.split(","), LINES[1].split(","), strict=True))
    changes = [
        {"before": None, "after": row, "op": "c"},
        {"before": row, "after": row | {"amount": "25.00"}, "op": "u"},
        {"before": row, "after": None, "op": "d"},
    ]
    (tmp_path / "some.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, changes)))
    scored = run("score", "some.jsonl", "--preset", "debezium")
    assert scored.returncode == 0, scored.stderr
    said = "3 rows read: 1 transaction scored (0 flagged), 0 resends, 1 skipped as deleted, 1 skipped as updated, "
    assert f"{said}0 left out." in scored.stderr
    replayed = run("replay", "some.jsonl", "--preset", "debezium")
    assert replayed.returncode == 0, replayed.stderr
    assert "3 rows read: 1 transaction stored" in replayed.stderr
    assert "1 skipped as deleted" in replayed.stderr
    assert "0 dead letters" in replayed.stderr


@pytest.mark.parametrize("content", [HEADER + "\n", "[]"])
def test_a_file_without_rows_is_an_error(run: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "some").write_text(content)
    refused = run("score", "some")
    assert refused.returncode == 1
    assert "some: there are no rows in it" in refused.stderr


def test_a_score_never_overwrites_what_it_reads(run: Run, tmp_path: Path) -> None:
    path = table(tmp_path / "scores.csv", *LINES)
    refused = run("score", "scores.csv")
    assert refused.returncode == 1
    assert "scores.csv is the file to read; name another with --output." in refused.stderr
    assert path.read_text().startswith(HEADER)
    assert run("score", "nowhere.csv", "-o", "new.csv").returncode == 1
    assert not (tmp_path / "new.csv").exists()


def test_options_say_how_a_file_is_to_be_read(run: Run, tmp_path: Path, environment: dict[str, str]) -> None:
    lines = ["Statement", HEADER.replace(",", "!"), "t1!u1!1.234,50!EUR!2026-11-26T08:00:01Z!Caf\u00e9"]
    (tmp_path / "some.txt").write_bytes("\r\n".join(lines).encode("windows-1252"))
    options = ["--delimiter", "!", "--decimal", ",", "--thousands", ".", "--encoding", "windows-1252", "--skip", "1"]
    scored = run("score", "some.txt", *options)
    assert scored.returncode == 0, scored.stderr
    assert "1 row read: 1 transaction scored (0 flagged), 0 resends, 0 left out." in scored.stderr
    with (tmp_path / "some.txt").open("rb") as piped:
        command = [COMMAND, "score", "-", "--format", "csv", *options]
        through_pipe = subprocess.run(command, stdin=piped, env=environment, cwd=tmp_path, capture_output=True)
    assert through_pipe.returncode == 0, through_pipe.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--delimiter", ";;"), "--delimiter ;;: it is one character"),
        (("--encoding", "klingon"), "--encoding klingon: no encoding of that name"),
        (("--encoding", "base64"), "--encoding base64: no encoding of that name"),
        (("--format", "xlsx"), "--format xlsx: it is one of csv, jsonl, parquet."),
        (("--decimal", ",", "--thousands", ","), "',' cannot stand for both decimals and thousands."),
    ],
)
def test_an_option_that_cannot_be_is_one_clear_line(
    run: Run, tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    refused = run("score", table(tmp_path / "some.csv", *LINES), *options)
    assert refused.returncode == 1
    assert named in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_damaged_file_is_scored_as_far_as_it_goes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "some.json").write_text('[{"a": "' + "x" * 9_000_000)
    scored = run("score", "some.json")
    assert scored.returncode == 1
    assert "0 rows read: 0 transactions scored" in scored.stderr
    assert "the JSON that begins on line 1 is longer than 8,388,608 bytes" in scored.stderr


def test_a_replay_counts_what_was_stored_and_not_what_was_sent(run: Run, tmp_path: Path) -> None:
    path = table(tmp_path / "some.csv", *LINES)
    dead = [
        "line 2: the quote that opens in 'merchant_name' is not closed before the next row begins",
        "transaction id 'z3' was used before by another transaction",
    ]
    first = run("replay", path)
    assert first.returncode == 1
    assert first.stderr.splitlines()[-3:] == [
        "5 rows read: 2 transactions stored, 1 resend of what was stored before, 2 dead letters.",
        *dead,
    ]
    again = run("replay", path)
    assert again.returncode == 1
    assert again.stderr.splitlines()[-3:] == [
        "5 rows read: 0 transactions stored, 3 resends of what was stored before, 2 dead letters.",
        *dead,
    ]


def test_a_replay_of_rows_without_ids_stores_nothing_twice(run: Run, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('[fields]\ntransaction_id = "#"\n')
    lines = [line.partition(",")[2] for line in (HEADER, *LINES[1:3])]
    (tmp_path / "some.csv").write_text("\n".join(lines))
    first = run("replay", "some.csv", "--mapping", "map.toml")
    assert first.returncode == 0, first.stderr
    assert "2 transactions stored, 0 resends" in first.stderr
    assert "0 transactions stored, 2 resends" in run("replay", "some.csv", "--mapping", "map.toml").stderr


def test_what_transactions_writes_can_be_evaluated(run: Run, tmp_path: Path) -> None:
    stream = Simulator(users=30, anomaly_rate=0.05, seed=12, start=datetime(2026, 3, 2, tzinfo=UTC), rate=0.1).stream()
    rows = [
        {**msgspec.json.decode(wire.encode(transaction)), "fraud": int(truth.anomalous), "how": truth.kind}
        for transaction, truth in islice(stream, 2_500)
    ]
    (tmp_path / "labelled.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    (tmp_path / "map.toml").write_text('[label]\nfield = "fraud"\nkind = "how"\n')
    assert run("replay", "labelled.jsonl", "--mapping", "map.toml").returncode == 0
    (tmp_path / "stored.csv").write_text(run("transactions", "", "--csv", "--limit", "3000").stdout)
    shown = run("evaluate", "stored.csv", "--skip", "1500")
    assert shown.returncode == 0, shown.stderr
    assert "The newest rows come first: read from the last one on." in shown.stderr
    assert "2,500 rows read: 2,500 transactions evaluated, 0 resends, 0 left out." in shown.stderr
    theirs = run("evaluate", "labelled.jsonl", "--mapping", "map.toml", "--skip", "1500")
    assert shown.stdout.splitlines()[1:] == theirs.stdout.splitlines()[1:]


def test_a_mapping_is_guessed_from_a_spreadsheet_s_export(run: Run, tmp_path: Path) -> None:
    lines = [
        "Kontoauszug Musterbank",
        "Umsatznummer;Kundennummer;Buchungszeit;Betrag;Währung",
        *(f"U{number};K1;{number:02}.02.2026 14:05;1.234,{number:02};EUR" for number in range(1, 29)),
    ]
    (tmp_path / "bank.csv").write_bytes("\r\n".join(lines).encode("windows-1252"))
    guessed = run("mapping", "guess", "bank.csv", "-o", "map.toml")
    assert guessed.returncode == 0, guessed.stderr
    assert "--delimiter ';' --encoding windows-1252 --skip 1" in guessed.stderr
    misread = run("score", "bank.csv", "--mapping", "map.toml")
    assert "byte 0xE4 on line 2 is not UTF-8; try --encoding windows-1252" in misread.stderr
    scored = run("score", "bank.csv", "--mapping", "map.toml", "--encoding", "windows-1252")
    assert scored.returncode == 0, scored.stderr
    assert "28 transactions scored" in scored.stderr
    assert "Nothing was judged" in scored.stderr
