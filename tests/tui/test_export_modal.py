"""Exporting what the filter shows, or what is stored."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from domain.verdict import ScoredTransaction
from services.records.export import COLUMNS, ExportFile
from tests.tui.fake_port import FakePort, row, rows
from tests.tui.session import running, said, settled, shown
from tests.waiting import WITHIN, until
from tui.screens.live import LiveScreen


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_the_rows_shown_become_a_csv_file_of_a_name_that_tells_when(folder: Path) -> None:
    async with running(FakePort(rows(200))) as (app, pilot):
        await pilot.press("slash", *"is:flagged", "enter", "e")
        await pilot.pause()
        assert "10 rows of the feed listed" in shown(app, "#export-choices")
        await pilot.press("enter")
        await settled(pilot)
        assert said(app)[-1] == "10 rows are in anomaly-tui-20260314-120407.csv"
        assert isinstance(app.screen, LiveScreen)
    (file,) = folder.iterdir()
    with file.open(newline="") as lines:
        found = list(csv.DictReader(lines))
    assert tuple(found[0]) == COLUMNS
    assert [line["transaction_id"] for line in found] == [f"t-{number:08}" for number in range(20, 201, 20)]
    assert {line["amount"] for line in found} == {"9200.00"}


async def test_stored_history_becomes_json_lines(folder: Path) -> None:
    port = FakePort(rows(3_000))
    async with running(port) as (_, pilot):
        await pilot.press("slash", *"amount>9000", "enter", "e", "down", "tab", "enter")
        await settled(pilot)
    assert port.history_asked == ["amount>9000"]
    (file,) = folder.iterdir()
    assert file.suffix == ".jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["transaction_id"] for line in found[:2]] == ["t-00003000", "t-00002999"]
    assert all(float(line["amount"]) > 9000 for line in found)


async def test_a_file_is_replaced_only_when_asked_twice(folder: Path) -> None:
    (folder / "mine.csv").write_text("precious")
    async with running(FakePort(rows(20))) as (app, pilot):
        await pilot.press("e", "ctrl+u", *"mine.csv", "enter")
        await settled(pilot)
        assert "Enter again replaces it" in shown(app, "#export-said")
        assert (folder / "mine.csv").read_text() == "precious"
        await pilot.press("x", "backspace", "enter")
        await settled(pilot)
        assert (folder / "mine.csv").read_text() == "precious"
        await pilot.press("enter")
        await settled(pilot)
        assert said(app)[-1] == "20 rows are in mine.csv"
    assert len((folder / "mine.csv").read_text().splitlines()) == 21
    assert [file.name for file in folder.iterdir()] == ["mine.csv"]


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere/x.csv", "no such file or directory"), (".", "directory"), ("", "needs a name")]
)
async def test_what_cannot_be_written_is_a_line(folder: Path, name: str, said: str) -> None:
    async with running(FakePort(rows(20))) as (app, pilot):
        await pilot.press("e", "ctrl+u", *name, "enter")
        await settled(pilot)
        assert said in shown(app, "#export-said")
    assert not list(folder.iterdir())


async def test_history_that_cannot_be_read_is_a_line(folder: Path) -> None:
    port = FakePort(rows(20))
    port.history_error = ConnectionError("database is away")
    async with running(port) as (app, pilot):
        await pilot.press("e", "down", "enter")
        await settled(pilot)
        assert "database is away" in shown(app, "#export-said")
    assert not list(folder.iterdir())


async def test_exported_texts_are_harmless(folder: Path) -> None:
    names = ("\x1b]52;c;aGVsbG8=\x07", "\x9b31m", "\u202egnp", "[/oops]", "=1+1", "a\nb")
    port = FakePort([row(20 * number, merchant=name) for number, name in enumerate(names, start=1)])
    async with running(port) as (_, pilot):
        await pilot.press("e", "enter")
        await settled(pilot)
        await pilot.press("e", "tab", "enter")
        await settled(pilot)
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".csv", ".jsonl"]
    for file in files:
        text = file.read_text()
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
        assert "[/oops]" in text
        assert len(text.splitlines()) == len(names) + (file.suffix == ".csv")
    assert "'=1+1" in files[0].read_text()


async def test_leaving_in_the_middle_leaves_no_half_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, left = Event(), Event()
    write = ExportFile.write

    def write_slowly(file: ExportFile, rows: Sequence[ScoredTransaction]) -> None:
        write(file, rows)
        begun.set()
        left.wait(WITHIN)

    monkeypatch.setattr(ExportFile, "write", write_slowly)
    async with running(FakePort(rows(5_000))) as (app, pilot):
        await pilot.press("e", "enter")
        await until(begun.is_set)
        await pilot.press("escape")
        left.set()
        await settled(pilot)
        assert isinstance(app.screen, LiveScreen)
        await until(lambda: not list(folder.iterdir()))
