"""The local data set: what is read, what becomes a fault, what stops the load."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dmsbench.data.base import Dataset, Sample
from dmsbench.data.local import INSTRUCTION, load
from dmsbench.errors import DataError

OUTSIDE = (
    "lies outside the image folder; where that is meant, allow it by --allow-outside or dataset.allow_outside"
)
GOOD = {"image": "a.png", "question": "What is it?", "answers": ["cat"]}


def jsonl(folder: Path, *rows: Any, name: str = "data.jsonl") -> Path:
    """Rows one a line; bytes and text as they are."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def by_id(dataset: Dataset) -> dict[str, Sample]:
    return {sample.id: sample for sample in dataset.samples}


def fault_of(folder: Path, **changes: Any) -> str | None:
    """The fault of one row that differs from a good one by ``changes``, behind a good one."""
    row = {key: value for key, value in {**GOOD, **changes}.items() if value != "absent"}
    dataset = load(jsonl(folder, {**GOOD, "id": "first"}, row))
    (sample,) = (sample for sample in dataset.samples if sample.id != "first")
    return sample.fault


def test_reads_jsonl(tmp_path: Path) -> None:
    rows = [
        {**GOOD, "id": "q1", "context": "a furry animal", "split": "ignored"},
        {"image": "sub/b.png", "question": "Colour?", "answer": "red", "group": 7, "id": 12},
        {"image": "./a.png", "question": "Cat?", "answers": "yes", "context": None},
    ]
    dataset = load(jsonl(tmp_path, *rows))
    assert (dataset.name, dataset.split, dataset.answer_space) == ("local", "all", ())
    assert dataset.licence == "unknown (local data)"
    assert dataset.chance is not None
    assert dataset.chance.value == pytest.approx(1 / 3)
    samples = by_id(dataset)
    assert samples == {
        "q1": Sample("q1", "a.png", tmp_path / "a.png", "What is it?", ("cat",), "a furry animal"),
        "12": Sample("12", "7", tmp_path / "sub/b.png", "Colour?", ("red",)),
        "row-2": Sample("row-2", "a.png", tmp_path / "a.png", "Cat?", ("yes",)),
    }


def test_parquet_gives_the_same_as_jsonl(tmp_path: Path) -> None:
    rows = [
        {"id": f"q{i}", "image": f"{i // 2}.png", "question": "Colour?", "answers": ["red", "pink"][: i % 3]}
        for i in range(6)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data.parquet")
    from_parquet, from_jsonl = load(tmp_path / "data.parquet"), load(jsonl(tmp_path, *rows))
    assert from_parquet == from_jsonl
    assert [s.fault for s in from_parquet.samples].count("line 1: no answers") == 1


def test_lines_are_counted_as_editors_do(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + b"\r\n".join([json.dumps(GOOD).encode(), b"", b"{", b"\xff", b"[1]"]) + b"\n"
    (tmp_path / "data.json").write_bytes(content)
    samples = by_id(load(tmp_path / "data.json"))
    assert samples["row-0"].fault is None
    assert {key: sample.fault for key, sample in samples.items() if sample.fault} == {
        "row-2": "line 3: not valid JSON (Expecting property name enclosed in double quotes)",
        "row-3": "line 4: not UTF-8 text",
        "row-4": "line 5: not an object with keys and values",
    }
    assert samples["row-2"].group == "row-2"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"question": "absent"}, "no question"),
        ({"question": " \n"}, "empty question"),
        ({"question": 3}, "question is not text"),
        ({"question": "a\ud800"}, "question holds half a surrogate pair, which is no text"),
        ({"answers": "absent"}, "no answers"),
        ({"answers": []}, "no answers"),
        ({"answers": None}, "no answers"),
        ({"answers": ["x", 1]}, "an answer is not text"),
        ({"answers": ["x", ""]}, "an empty answer"),
        ({"answers": {"a": 1}}, "answers is neither a text nor a list of texts"),
        ({"context": 1}, "context is not text"),
        ({"image": "absent"}, "no image"),
        ({"image": ""}, "empty image"),
        ({"image": "."}, "image '.' is no file name"),
        ({"image": "a\0.png"}, "image 'a\\x00.png' is no file name"),
        ({"image": "../a.png"}, f"image '../a.png' {OUTSIDE}"),
        ({"image": "x/../a.png"}, f"image 'x/../a.png' {OUTSIDE}"),
        ({"image": "/etc/passwd"}, f"image '/etc/passwd' {OUTSIDE}"),
        ({"id": True}, "id is not text"),
        ({"id": 1.5}, "id is not text"),
        ({"id": "\udfff"}, "id holds half a surrogate pair, which is no text"),
        ({"group": ["g"]}, "group is not text"),
    ],
)
def test_a_bad_row_becomes_a_fault(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    assert fault_of(tmp_path, **changes) == f"line 2: {fault}"


@pytest.mark.parametrize(
    "changes",
    [
        {"context": "  "},
        {"question": "tab\tand\x00nul and \x1b[31m"},
        {"id": "any/../thing | \n"},
        {"group": ""},
        {"image": "not/there.png"},
        {"image": "x" * 5000},
    ],
)
def test_odd_rows_that_are_fine(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert fault_of(tmp_path, **changes) is None


def test_symlinks_may_not_escape_but_the_folder_may_be_one(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"x")
    (inside / "leak.png").symlink_to(outside / "secret.png")
    (inside / "folder").symlink_to(outside)
    (inside / "loop.png").symlink_to(inside / "loop.png")
    (inside / "real.png").write_bytes(b"x")
    (inside / "alias.png").symlink_to(inside / "real.png")
    (tmp_path / "link").symlink_to(inside)
    names = ["leak.png", "folder/secret.png", "loop.png", "alias.png"]
    path = jsonl(tmp_path, *({**GOOD, "image": name, "id": name} for name in names))
    samples = by_id(load(path, tmp_path / "link"))
    faults = {name: samples[name].fault for name in names}
    assert faults["leak.png"] == f"line 1: image 'leak.png' {OUTSIDE}"
    assert faults["folder/secret.png"] == f"line 2: image 'folder/secret.png' {OUTSIDE}"
    assert faults["loop.png"] is faults["alias.png"] is None


def test_duplicate_ids(tmp_path: Path) -> None:
    rows = [{**GOOD, "id": name} for name in ("x", "x#2", "x", "x")]
    samples = by_id(load(jsonl(tmp_path, *rows)))
    assert {key: sample.fault for key, sample in samples.items()} == {
        "x": None,
        "x#2": None,
        "x#3": "line 3: id 'x' is used already on line 1",
        "x#4": "line 4: id 'x' is used already on line 1",
    }


def test_a_group_is_one_image(tmp_path: Path) -> None:
    rows = [
        {**GOOD, "id": "1", "group": "g"},
        {**GOOD, "id": "2", "group": "g", "image": "b.png"},
        {**GOOD, "id": "3", "group": "h"},  # one image in two groups harms nothing
        {"id": "g"},  # its own id is taken as a group
    ]
    dataset = load(jsonl(tmp_path, *rows))
    samples = by_id(dataset)
    assert samples["2"].fault == "line 2: group 'g' is another image on line 1"
    assert {key: sample.group for key, sample in samples.items()} == {
        "1": "g",
        "2": "2",
        "3": "h",
        "g": "g#2",
    }
    for sample in dataset.samples:
        assert dataset.image_of(sample.group) == sample.image


def test_order_is_a_draw_of_images_that_does_not_depend_on_the_file(tmp_path: Path) -> None:
    rows = [{**GOOD, "id": str(i), "image": f"{i // 2}.png"} for i in range(40)]
    one, other = load(jsonl(tmp_path, *rows)), load(jsonl(tmp_path, *rows[::2], *rows[1::2]))
    assert [s.id for s in one.samples] == [s.id for s in other.samples]
    assert one.fingerprint == other.fingerprint
    assert list(one.groups) != sorted(one.groups)
    assert [s.group for s in one.samples] == [group for group in one.groups for _ in range(2)]


def test_chance_that_nothing_can_beat_is_none(tmp_path: Path) -> None:
    assert load(jsonl(tmp_path, GOOD)).chance is None  # one answer throughout: chance would be 1
    assert load(jsonl(tmp_path, {})).chance is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "data.xml",
            b"a,b",
            r"cannot read '\.xml' files; use one of \.jsonl, \.json, \.parquet, \.csv, \.tsv",
        ),
        ("data.jsonl", b"", "no rows"),
        ("data.jsonl", b"\n \r\n", "no rows"),
        ("data.json", b' [\n{"id": 1}]', "a JSON list; write one object a line"),
        ("data.parquet", b"PAR1 and then not", "not a readable Parquet file"),
        ("data.parquet", b"", "not a readable Parquet file"),
    ],
)
def test_what_stops_the_load(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_files_and_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        load(jsonl(tmp_path, GOOD), tmp_path / "none")


def test_parquet_columns(tmp_path: Path) -> None:
    path = tmp_path / "data.PARQUET"
    pq.write_table(pa.table({"image": ["a.png"], "question": ["?"], "label": [1]}), path)
    with pytest.raises(DataError, match="no column 'answers'; its columns are: image, label, question"):
        load(path)
    pq.write_table(pa.table({"image": ["a.png"], "question": ["?"], "answer": [b"\xff"]}), path)
    assert load(path).samples[0].fault == "line 1: answer is neither a text nor a list of texts"
    pq.write_table(pa.table({"image": pa.array([], pa.string()), "question": [], "answer": []}), path)
    with pytest.raises(DataError, match="no rows"):
        load(path)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
ROWS = st.dictionaries(
    st.sampled_from(["id", "image", "question", "context", "answers", "answer", "group", "x"]),
    ANY_JSON | st.sampled_from(["a", "b", "row-1", "a#2", "..", "\0", "\ud800", "/"]),
)


def check(path: Path) -> None:
    """Whatever is loaded is sound: unique storable ids, a group one image, faulty or complete."""
    try:
        dataset = load(path)
    except DataError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert len({sample.id for sample in dataset.samples}) == len(dataset.samples)
    for sample in dataset.samples:
        stored = [sample.id, sample.group, sample.question, sample.context or "", sample.fault or ""]
        pa.array([*stored, *sample.answers])
        assert dataset.image_of(sample.group) == sample.image
        assert sample.fault or (sample.question.strip() and sample.answers)
        assert sample.image.is_relative_to(path.parent)
        assert ".." not in sample.image.parts


@given(st.binary(max_size=200))
@example(b"[" * 20_000)
@example(b'{"id": ' + b"1" * 5000 + b"}")
@example(b'{"image": "\\ud83d"}')
@settings(max_examples=150, deadline=None)
def test_any_bytes_load_or_are_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.jsonl"
        path.write_bytes(content)
        check(path)


@given(st.lists(ROWS, max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_rows_load(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(jsonl(Path(folder), *rows))


@given(st.binary(max_size=100), st.integers(0, 600), st.integers(0, 600))
@settings(max_examples=60, deadline=None)
def test_a_damaged_parquet_file_loads_or_is_refused(noise: bytes, start: int, cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.parquet"
        pq.write_table(pa.Table.from_pylist([GOOD] * 3), path)
        content = path.read_bytes()
        path.write_bytes(content[:start] + noise + content[start + len(noise) : len(content) - cut // 6])
        check(path)


def test_captions_need_no_question(tmp_path: Path) -> None:
    rows = [
        {"image": "a.png", "captions": ["a cat", "one cat"]},
        {"image": "b.png", "caption": "a dog", "question": "what is there?", "context": "a pet"},
        {"image": "c.png", "answers": ["a bird"]},
        {"image": "d.png", "captions": []},
        {"image": "e.png", "captions": ["", "x"]},
        {"image": "f.png"},
    ]
    path = tmp_path / "captions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = load(path, task="captioning")
    by_image = {sample.image.name: sample for sample in found.samples}
    assert by_image["a.png"].answers == ("a cat", "one cat")
    assert by_image["a.png"].question == by_image["c.png"].question == INSTRUCTION
    assert by_image["b.png"].question == "what is there?" and by_image["b.png"].context == "a pet"
    assert by_image["b.png"].answers == ("a dog",) and by_image["c.png"].answers == ("a bird",)
    faults = [by_image[f"{name}.png"].fault for name in "abcdef"]
    assert faults == [None] * 3 + ["line 4: no captions", "line 5: an empty caption", "line 6: no captions"]
    assert found.chance is None
    assert load(path).samples[0].fault is not None, "without a question it is no VQA"


def test_parquet_captions(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"image": ["a.png"], "caption": ["a cat"]}), path)
    assert load(path, task="captioning").samples[0].answers == ("a cat",)
    with pytest.raises(DataError, match="no column 'question'"):
        load(path)
    pq.write_table(pa.table({"image": ["a.png"], "label": ["a cat"]}), path)
    with pytest.raises(DataError, match="no column 'captions'"):
        load(path, task="captioning")
