"""Data files with rows of any kind: each row is a sample or a recorded fault, and the others are asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from counted import count
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from trials import check_message, trials

from dmsbench.data import Dataset, load_dataset
from dmsbench.data.local import LONGEST_TEXT
from dmsbench.errors import DataError

TASKS = ("vqa", "captioning", "retrieval")
GOOD: dict[str, Any] = {
    "image": "a.png",
    "question": "what is it?",
    "answers": ["cat"],
    "captions": ["a cat"],
}
KEYS = (
    "id",
    "image",
    "question",
    "answers",
    "answer",
    "captions",
    "caption",
    "context",
    "title",
    "group",
    "about",
)
ODD_TEXTS = (
    "",
    " \n",
    "\0",
    "\x1b[2J\x1b]0;owned\x07",
    "‏مرحبا بالعالم‎",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "\ud800",
    "e\N{COMBINING ACUTE ACCENT}" * 50,
    "=cmd|' /C calc'!A0",
    "../../etc/passwd",
    "/dev/zero",
    "C:\\windows",
    "a.png/",
    "x" * 300,
    "NaN",
)
text = st.sampled_from(ODD_TEXTS) | st.text(max_size=20) | st.text(st.characters(), max_size=8)
plain = st.none() | st.booleans() | st.integers() | st.floats() | text
value = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)
row = st.builds(
    lambda changes, without: {key: held for key, held in {**GOOD, **changes}.items() if key not in without},
    st.dictionaries(st.sampled_from(KEYS), value, max_size=4),
    st.sets(st.sampled_from(KEYS), max_size=3),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("rows")
    Image.new("RGB", (8, 8)).save(found / "a.png")
    return found


def loaded(folder: Path, lines: list[bytes], task: str) -> Dataset:
    """Of the lines of a JSONL file, after checking that what is wrong is said in a line each."""
    path = folder / "rows.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = load_dataset("local", path=path, task=task)
    ids = [sample.id for sample in found.samples]
    assert len(ids) == len(set(ids))
    for sample in found.samples:
        if sample.fault is not None:
            check_message(sample.fault)
        # What is recorded and shown of it can be written.
        for written in (sample.id, sample.group, sample.question, sample.context or "", *sample.answers):
            written.encode("utf-8")
            assert len(written) <= LONGEST_TEXT
        assert sample.fault or (
            sample.answers and (sample.question.strip() or sample.direction == "image_to_text")
        )
        assert isinstance(sample.image, Path)
        assert sample.image.resolve().is_relative_to(folder.resolve())
    return found


@trials(700)
@given(rows=st.lists(row, min_size=1, max_size=4), task=st.sampled_from(TASKS))
@example(rows=[{**GOOD, "id": 10**4000}], task="vqa")
@example(rows=[{**GOOD, "image": "../rows.jsonl"}], task="retrieval")
def test_rows_of_wrong_kinds(folder: Path, rows: list[dict[str, Any]], task: str) -> None:
    good = {**GOOD, "id": "the good one", "group": "the good one's"}
    count("bad inputs: rows", len(rows))
    found = loaded(folder, [json.dumps(line).encode() for line in [*rows, good]], task)
    lines = {name for name, sample in by_id(found).items() if sample.fault is None}
    # Whatever stands before it, unless that takes its name.
    taken = any(line.get("id") == good["id"] or line.get("group") == good["group"] for line in rows)
    assert taken or "the good one" in lines


@trials(500)
@given(junk=st.lists(st.binary(max_size=60), min_size=1, max_size=4), task=st.sampled_from(TASKS))
@example(junk=[b"[" * 100_000], task="vqa")
@example(junk=[b'{"id": ' + b"9" * 10_000 + b"}"], task="vqa")
@example(
    junk=[b'{"image": "a.png", "image": NaN}', b"\xff\xfe", b"\xef\xbb\xbf{}", b"\r", b"null"],
    task="retrieval",
)
def test_lines_of_any_bytes(folder: Path, junk: list[bytes], task: str) -> None:
    count("bad inputs: rows", len(junk))
    good = json.dumps({**GOOD, "id": "good"}).encode()
    found = loaded(folder, [*junk, good], task)
    assert by_id(found)["good"].fault is None


@trials(200)
@given(row=row, at=st.integers(0, 200), bit=st.integers(0, 7), task=st.sampled_from(TASKS))
def test_lines_with_a_bit_turned(folder: Path, row: dict[str, Any], at: int, bit: int, task: str) -> None:
    content = bytearray(json.dumps(row).encode())
    content[at % len(content)] ^= 1 << bit
    count("bad inputs: rows")
    loaded(folder, [bytes(content)], task)


@pytest.mark.parametrize("task", TASKS)
def test_a_text_of_ten_megabytes_costs_its_row(folder: Path, task: str) -> None:
    key = "question" if task == "vqa" else "captions"
    long = "why " * 2_621_440
    lines = [json.dumps({**GOOD, "id": "long", key: long}), json.dumps({**GOOD, "id": "good"})]
    found = by_id(loaded(folder, [line.encode() for line in lines], task))
    assert "10,485,760 characters; at most 1,000,000 are read" in str(found["long"].fault)
    assert found["good"].fault is None
    count("bad inputs: rows")


def test_what_reads_oddly_is_kept_as_it_is(folder: Path) -> None:
    """Right-to-left text and control characters are what somebody asks; a screen shows them safely."""
    odd = ["‏ما هذا؟", "a\x00b", "\x1b[31mred?\x1b[0m", "línea\u2028dos"]
    found = loaded(folder, [json.dumps({**GOOD, "question": question}).encode() for question in odd], "vqa")
    assert sorted(sample.question for sample in found.samples) == sorted(odd)
    assert not any(sample.fault for sample in found.samples)
    count("bad inputs: rows", len(odd))


def test_images_may_lie_outside_where_that_is_allowed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    (inside / "link.png").symlink_to(tmp_path / "b.png")
    names = ("../b.png", str(tmp_path / "b.png"), "link.png")
    (inside / "rows.jsonl").write_text(
        "\n".join(json.dumps({**GOOD, "image": name, "id": name}) for name in names)
    )
    for allowed in (False, True):
        found = load_dataset("local", path=inside / "rows.jsonl", allow_outside=allowed)
        assert all((sample.fault is None) is allowed for sample in found.samples)
        if allowed:
            assert {Path(str(sample.image)).resolve() for sample in found.samples} == {tmp_path / "b.png"}
    (inside / "nul.jsonl").write_text(json.dumps({**GOOD, "image": "a\0b"}))
    (sample,) = load_dataset("local", path=inside / "nul.jsonl", allow_outside=True).samples
    assert sample.fault == "line 1: image 'a\\x00b' is no file name"


def by_id(dataset: Dataset) -> dict[str, Any]:
    return {sample.id: sample for sample in dataset.samples}


@trials(200)
@given(content=st.binary(max_size=300), kind=st.sampled_from(["jsonl", "json", "parquet"]))
def test_files_of_any_bytes(folder: Path, content: bytes, kind: str) -> None:
    path = folder / f"any.{kind}"
    path.write_bytes(content)
    count("bad inputs: data files")
    try:
        load_dataset("local", path=path)
    except DataError as error:
        check_message(str(error))


@trials(200)
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), end=st.booleans())
def test_damaged_parquet(folder: Path, at: int, bit: int, end: bool) -> None:
    path = folder / "turned.parquet"
    pq.write_table(pa.Table.from_pylist([{**GOOD, "id": str(number)} for number in range(20)]), path)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << bit
    path.write_bytes(content[: at % len(content)] if end else content)
    count("bad inputs: data files")
    try:
        load_dataset("local", path=path)
    except DataError as error:
        check_message(str(error))


@pytest.mark.parametrize(
    "columns",
    [
        {"image": [b"a.png"], "question": ["q"], "answers": [["a"]]},
        {"image": [{"bytes": b"x", "path": None}], "question": ["q"], "answers": [["a"]]},
        {"image": ["a.png"], "question": [1.5], "answers": [["a"]]},
        {"image": ["a.png"], "question": ["q"], "answers": [[b"\xff"]]},
        {"image": [None], "question": [None], "answers": [None]},
        {"image": ["a.png"], "question": ["q"], "answers": [{"text": ["a"]}]},
    ],
)
def test_columns_of_wrong_types(folder: Path, columns: dict[str, list[Any]]) -> None:
    path = folder / "types.parquet"
    pq.write_table(pa.table(columns), path)
    (sample,) = load_dataset("local", path=path).samples
    assert sample.fault
    check_message(sample.fault)
    count("bad inputs: data files")
