"""CSV, TSV and files with names of their own: the same samples as from JSONL, a reason for each bad row."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.data import load_dataset
from dmsbench.data.row_files import KEYS, read_rows
from dmsbench.errors import DataError, SuiteError
from dmsbench.suite import load_suite

ROWS: list[dict[str, Any]] = [
    {
        "id": "a",
        "image": "0.png",
        "question": "what, then?",
        "answers": ["red", "crimson"],
        "about": ["colour"],
    },
    {"id": "b", "image": "0.png", "question": 'a "quoted"\nbreak', "answers": "yes", "context": "a text"},
    {"id": "c", "image": "1.png", "question": "[what]?", "answer": "[no list"},
]


def write(path: Path, rows: list[dict[str, Any]], names: dict[str, str] | None = None) -> Path:
    """The rows as CSV or TSV, some keys under other names."""
    names = names or {}
    header = [names.get(key, key) for key in KEYS]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(header)
        for row in rows:
            cells = [row.get(key, "") for key in KEYS]
            writer.writerow([json.dumps(cell) if isinstance(cell, list) else cell for cell in cells])
    return path


def jsonl(folder: Path, rows: list[dict[str, Any]]) -> Path:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "rows.jsonl"


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_the_same_samples_as_from_jsonl(tmp_path: Path, suffix: str) -> None:
    found = load_dataset("local", path=write(tmp_path / f"rows{suffix}", ROWS))
    assert found == load_dataset("local", path=jsonl(tmp_path, ROWS))
    assert not any(sample.fault for sample in found.samples)


cell = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20).map(str.strip)


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({"question": cell, "answer": cell}), min_size=1, max_size=5))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> None:
    rows = [{"image": "0.png"} | row for row in rows]
    path = write(tmp_path_factory.getbasetemp() / "any.csv", rows)
    found = [row for _, row in read_rows(path, {}, [])]
    for before, after in zip(rows, found, strict=True):
        assert isinstance(after, dict)
        assert after.get("question", "") == before["question"]
        answer = after.get("answer", "")
        # What is written as a JSON list is one.
        assert answer == before["answer"] or answer == json.loads(before["answer"])


def test_other_names(tmp_path: Path) -> None:
    names = {"question": "query", "answers": "gold", "image": "file_name"}
    plain = load_dataset("local", path=jsonl(tmp_path, ROWS[:2]))
    renamed = [{names.get(key, key): value for key, value in row.items()} for row in ROWS[:2]]
    path = tmp_path / "other.jsonl"
    path.write_text("\n".join(map(json.dumps, renamed)))
    assert load_dataset("local", path=path, columns=names) == plain
    assert load_dataset("local", path=write(tmp_path / "other.csv", ROWS[:2], names), columns=names) == plain
    one = [{**row, "gold": [row["gold"]] if isinstance(row["gold"], str) else row["gold"]} for row in renamed]
    pq.write_table(
        pa.Table.from_pylist([dict.fromkeys({*one[0], *one[1]}) | row for row in one]),
        tmp_path / "other.parquet",
    )
    assert load_dataset("local", path=tmp_path / "other.parquet", columns=names) == plain
    # The file's own column of that name counts for nothing then.
    both = [row | {"question": "another"} for row in renamed]
    path.write_text("\n".join(map(json.dumps, both)))
    assert load_dataset("local", path=path, columns=names) == plain


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (b"image,question,answer\n0.png,what?\n", ["line 2: 2 fields, and the header has 3"]),
        (b"image,question,answer\n\n0.png,what?,a,b\n", ["line 3: 4 fields, and the header has 3"]),
        (b'image,question,answer\n0.png,"two\nlines",a\n0.png,,a\n', ["line 4: no question"]),
        (
            b"image,question,answer\n0.png,\xff,a\n",
            ["line 2: question holds half a surrogate pair, which is no text"],
        ),
        (
            b"image,question,answer\n0.png," + b"x" * 1_000_001 + b",a\n",
            ["line 2: question has 1,000,001 characters; at most 1,000,000 are read"],
        ),
    ],
)
def test_bad_rows(tmp_path: Path, content: bytes, faults: list[str]) -> None:
    before = csv.field_size_limit()
    (tmp_path / "bad.csv").write_bytes(b"\xef\xbb\xbf" + content)
    found = load_dataset("local", path=tmp_path / "bad.csv")
    assert [sample.fault for sample in found.samples if sample.fault] == faults
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"image,query,answer\n0.png,a,b\n", "no column 'question'; its columns are: answer, image, query"),
        (b"image,image,answer\n", "column 'image' is there twice"),
        (b"", "no rows"),
        (b"image,question,answer\n", "no rows"),
        (b"image,question,answer\n0.png,a\0b,c\n", ""),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    if not said:  # Python 3.10 refuses what later ones read
        return
    with pytest.raises(DataError, match=said):
        load_dataset("local", path=tmp_path / "bad.csv")


def test_a_suite_says_which_is_which(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", ROWS, {"question": "query"})
    text = "name: mine\ndataset: {name: local, path: rows.csv, columns: {%s}}\ngrid: {}\n"
    (tmp_path / "mine.yaml").write_text(text % "question: query")
    assert load_suite(str(tmp_path / "mine.yaml")).dataset.columns == {"question": "query"}
    (tmp_path / "mine.yaml").write_text(text % "quesiton: query")
    with pytest.raises(SuiteError, match="unknown key of a row 'quesiton': did you mean 'question'"):
        load_suite(str(tmp_path / "mine.yaml"))
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndataset: {name: easy_vqa, columns: {question: q}}\ngrid: {}\n"
    )
    with pytest.raises(SuiteError, match="'columns' belongs to the local data set"):
        load_suite(str(tmp_path / "mine.yaml"))


def test_semicolons_of_spreadsheets(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("image;question;answer\n0.png;what, now?;a,b\n")
    (sample,) = load_dataset("local", path=tmp_path / "rows.csv").samples
    assert (sample.question, sample.answers) == ("what, now?", ("a,b",))
