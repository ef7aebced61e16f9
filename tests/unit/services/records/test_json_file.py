"""JSON in every shape that objects come in, and damage that stays where it is."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.records.files import UnreadableFile, open_rows
from services.records.json_file import documents
from services.records.validation import InvalidRecord
from tests.unit.services.records.reading import read, written


def record(number: int, **more: object) -> dict[str, object]:
    time = f"2026-11-26T08:00:{number:02}Z"
    return {
        "transaction_id": f"t{number}",
        "user_id": "u",
        "amount": "1.00",
        "currency": "EUR",
        "timestamp": time,
    } | more


def compact(number: int) -> str:
    return json.dumps(record(number))


def pretty(number: int) -> str:
    return json.dumps(record(number, merchant={"name": 'A "B" {[,:'}), indent=2)


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows"])
@pytest.mark.parametrize(
    "text",
    [
        f"[{compact(1)},{compact(2)}]",
        f"[\n{compact(1)},\n{compact(2)}\n]\n",
        f"\n  [\n{pretty(1)},\n{pretty(2)}]",
        f"{pretty(1)}\n{pretty(2)}\n",
        f"{compact(1)}\n\n{compact(2)}",
        f"{compact(1)}{compact(2)}",
        f"{compact(1)} {compact(2)}\n",
        f"\ufeff[{compact(1)}\n,{compact(2)}]",
        f"[{compact(1)}]\n[{compact(2)}]\n",
        f"[{compact(1)}][]\n\n[\n{compact(2)}]",
    ],
)
def test_objects_are_found_in_lines_lists_and_documents(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read(path) == ["t1", "t2"]


def test_a_document_may_begin_with_its_first_field(tmp_path: Path) -> None:
    text = "{" + pretty(1)[1:].lstrip() + "\n" + pretty(2)
    path = tmp_path / "rows.json"
    path.write_text(text)
    assert read(path) == ["t1", "t2"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["[", compact(1) + ",", compact(2)[:-1] + ",", compact(3), "]"],
            ["t1", "line 3: the object that begins here is not closed", "t3"],
        ),
        (
            ["[", compact(1) + ",", compact(2).replace('"EUR"', '"EUR') + ",", compact(3) + "]"],
            ["t1", "line 3: the object that begins here is not closed", "t3"],
        ),
        (
            ["[" + compact(1) + ",", "null,", compact(2) + "]"],
            ["t1", "line 2: the record is null, not a JSON object", "t2"],
        ),
        (["[" + compact(1) + ",", compact(2)], ["t1", "t2", "line 3: the list is not closed: the file is cut off"]),
        (["[" + compact(1) + ",", '{"user_id":', ""], ["t1", "line 2: the object that begins here is not closed"]),
        (
            [pretty(1), pretty(2)[:-2], pretty(3)],
            ["t1", "lines 11 to 19: the object that begins here is not closed", "t3"],
        ),
        (
            ["[", compact(1), "}", compact(2), "]"],
            ["t1", "line 3: the JSON is malformed: invalid character (byte 0)", "t2"],
        ),
    ],
)
def test_a_damaged_object_harms_no_other(tmp_path: Path, lines: list[str], expected: list[str]) -> None:
    assert read(written(tmp_path / "rows.json", *lines)) == expected


def test_a_page_of_an_api_says_where_its_records_are(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.json", f'{{"object": "list", "data": [{compact(1)}, {compact(2)}]}}')
    (said,) = read(path)
    assert said.endswith("'data' holds 2 objects: if those are the records, save that list by itself")


def test_a_broken_first_line_of_json_lines_is_one_row(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", '{"transaction_id": ', compact(1), compact(2))
    assert read(path) == ["line 1: the JSON is malformed: it ends too early", "t1", "t2"]


def test_a_file_of_blanks_is_empty(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="the file is empty"):
        open_rows(written(tmp_path / "rows.json", " ", ""))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=4), max_size=5),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 7),
)
def test_objects_read_back_however_the_bytes_come(
    objects: list[dict[str, object]], indent: int | None, ascii_only: bool, in_list: bool, step: int
) -> None:
    if in_list:
        text = json.dumps(objects, indent=indent, ensure_ascii=ascii_only)
    else:
        text = "\n".join(json.dumps(each, indent=indent, ensure_ascii=ascii_only) for each in objects)
    content = io.BytesIO(text.encode())
    pieces = list(documents(lambda _: content.read(step)))
    assert [piece.value for piece in pieces] == objects
    assert all(not isinstance(piece.value, InvalidRecord) for piece in pieces)
