"""Queries of retrieval: scenes, anybody's own captions, and captions that cannot be told apart."""

from __future__ import annotations

import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.data import DataError, Dataset, load_dataset
from dmsbench.data.base import Sample
from dmsbench.data.local import CAPTIONS_TELL, load
from dmsbench.data.retrieval import DIRECTIONS, answer_of, gallery
from dmsbench.data.scenes import Picture
from dmsbench.data.scenes.language import caption


def own(folder: Path, *rows: dict[str, Any]) -> dict[str, Sample]:
    path = folder / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {sample.id: sample for sample in load(path, task="retrieval").samples}


def test_scenes_are_items_with_a_title_and_a_caption_each() -> None:
    found = load_dataset("scenes", "test", level=2, count=40, task="retrieval")
    assert (len(found.samples), len(found.groups)) == (80, 40)
    assert (found.chance, found.answer_space) == (None, ())
    assert found.samples[:20] == load_dataset("scenes", level=2, count=10, task="retrieval").samples
    for item, text in zip(found.samples[::2], found.samples[1::2], strict=True):
        group = item.group
        assert (item.id, text.id, text.group) == (f"{group}/image", f"{group}/caption", group)
        assert (item.direction, text.direction) == DIRECTIONS
        assert isinstance(item.image, Picture) and text.image == item.image
        assert (item.question, text.context, text.question) == ("", None, caption(item.image.scene))
        assert item.context is not None and set(item.context.split()) <= set(text.question.split())
        assert set(item.about or ()) == set(text.about or ()) == {"colour", "position", "count", "size"}
        assert item.answers[0] == text.id and text.answers[0] == group
    asked = load_dataset("scenes", "test", level=2, count=40)
    assert asked.groups == found.groups


def test_a_title_names_fewer_things_than_a_context() -> None:
    def named(task: str) -> float:
        texts = [s.context for s in load_dataset("scenes", level=3, task=task).samples if s.context]
        return sum(text.count(" and ") + 1 for text in texts) / len(texts)

    assert named("retrieval") < 0.8 * named("captioning")


def test_scenes_of_one_thing_share_captions_and_answers_say_so() -> None:
    samples = load_dataset("scenes", "test", level=1, task="retrieval").samples
    by_caption: dict[str, set[str]] = {}
    for sample in samples:
        if sample.question:
            by_caption.setdefault(sample.question, set()).add(sample.group)
    assert max(map(len, by_caption.values())) > 1
    for item, text in zip(samples[::2], samples[1::2], strict=True):
        right = by_caption[text.question]
        assert set(text.answers) == right and len(text.answers) == len(right)
        assert {answer.removesuffix("/caption") for answer in item.answers} == right


def test_rows_of_one_image_are_one_item(tmp_path: Path) -> None:
    found = own(
        tmp_path,
        {"id": "a", "image": "x.png", "captions": ["A cat", "a  CAT ", "on a mat"], "title": "pets"},
        {"id": "b", "image": "x.png", "caption": "asleep", "about": []},
        {"id": "c", "image": "y.png", "caption": "a cat\n", "group": "why", "about": ["colour"]},
    )
    names = ["a", "a#2", "a#3", "b"]
    assert set(found) == {"x.png/image", "why/image", "c", *names}
    item = found["x.png/image"]
    assert item.answers == ("a", "a#2", "a#3", "b", "c")
    assert (item.context, item.question, item.image) == ("pets", "", tmp_path / "x.png")
    assert item.about == CAPTIONS_TELL and found["b"].about == () and found["why/image"].about == ("colour",)
    assert found["a"].answers == found["a#2"].answers == ("x.png", "why")
    assert found["a#3"].answers == ("x.png",) and found["c"].answers == ("why", "x.png")
    assert found["why/image"].answers == ("c", "a", "a#2") and found["why/image"].context is None
    assert all(found[name].context is None and found[name].fault is None for name in names)
    assert found["a#2"].question == "a  CAT "


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"image": "x.png"}, "no captions"),
        ({"image": "x.png", "answers": ["a cat"]}, "no captions"),
        ({"image": "x.png", "captions": ["a cat", " "]}, "an empty caption"),
        ({"image": "x.png", "caption": "a cat", "title": 3}, "title is not text"),
        (
            {"image": "x.png", "caption": "a cat", "title": "two"},
            "group 'x.png' has the title 'one' on line 1",
        ),
        ({"image": "x.png", "caption": "a cat", "id": "q"}, "id 'q' is used already on line 1"),
        (
            {"image": "y.png", "caption": "a cat", "group": "x.png"},
            "group 'x.png' is another image on line 1",
        ),
        ({"caption": "a cat"}, "no image"),
    ],
)
def test_a_bad_row_is_a_faulty_text_and_no_candidate(tmp_path: Path, row: dict[str, Any], fault: str) -> None:
    found = own(tmp_path, {"id": "q", "image": "x.png", "caption": "a dog", "title": "one"}, row)
    (bad,) = (sample for sample in found.values() if sample.fault)
    assert bad.fault == f"line 2: {fault}" and bad.direction == "text_to_image"
    assert set(found) == {"q", "x.png/image", bad.id}
    assert found["x.png/image"].answers == ("q",) and found["x.png/image"].context == "one"


def test_an_item_of_faulty_rows_alone_is_none(tmp_path: Path) -> None:
    found = own(
        tmp_path, {"image": "x.png", "captions": []}, {"image": "y.png", "caption": "a cat", "title": " "}
    )
    assert set(found) == {"row-0", "row-1", "y.png/image"}
    assert found["y.png/image"].context is None


def test_a_row_without_a_title_is_of_an_item_that_has_one(tmp_path: Path) -> None:
    rows = [{"image": "x.png", "caption": text} for text in ("one", "two")]
    found = own(tmp_path, rows[0], rows[1] | {"title": "three"})
    assert found["x.png/image"].context == "three"
    assert not any(sample.fault for sample in found.values())


def test_items_of_one_file_and_title_are_right_for_each_others_texts(tmp_path: Path) -> None:
    found = own(
        tmp_path,
        {"id": "a", "image": "x.png", "group": "1", "caption": "one"},
        {"id": "b", "image": "x.png", "group": "2", "caption": "two"},
        {"id": "c", "image": "x.png", "group": "3", "caption": "three", "title": "told apart"},
        {"id": "d", "image": "y.png", "caption": "Two"},
    )
    assert found["a"].answers == ("1", "2")
    assert found["b"].answers == ("2", "1", "y.png")
    assert found["c"].answers == ("3",)
    assert found["d"].answers[0] == "y.png" and set(found["d"].answers) == {"y.png", "1", "2"}
    assert found["1/image"].answers == ("a", "b", "d")
    assert found["2/image"].answers == ("b", "d", "a")
    assert found["3/image"].answers == ("c",)


def test_ids_are_one_each_whatever_rows_are_called(tmp_path: Path) -> None:
    found = own(
        tmp_path,
        {"id": "a", "image": "x.png", "captions": ["one", "two"]},
        {"id": "a#2", "image": "x.png", "caption": "three"},
        {"id": "x.png/image", "image": "x.png", "caption": "four"},
    )
    assert set(found) == {"a", "a#3", "a#2", "x.png/image", "x.png/image#2"}
    assert found["x.png/image#2"].direction == "image_to_text"
    assert found["a#3"].question == "two"


def test_parquet_gives_the_same(tmp_path: Path) -> None:
    rows = [
        {"image": "x.png", "captions": ["one", "two"], "title": None},
        {"image": "y.png", "captions": ["three"], "title": "why"},
    ]
    found = own(tmp_path, *rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "mine.parquet")
    assert {s.id: s for s in load(tmp_path / "mine.parquet", task="retrieval").samples} == found
    pq.write_table(pa.table({"image": ["x.png"], "answers": [["one"]]}), tmp_path / "no.parquet")
    with pytest.raises(DataError, match="no column 'captions'"):
        load(tmp_path / "no.parquet", task="retrieval")


CAPTIONS = st.sampled_from(["a cat", "A  cat", "a dog", " a dog ", "two", "", "TWO"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {"image": st.sampled_from("xyz"), "captions": st.lists(CAPTIONS, max_size=3)},
        optional={"id": st.sampled_from(["a", "a#2", "x/image", "b"]), "title": st.sampled_from("tu")},
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_what_holds_of_any_queries(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        samples = tuple(own(Path(folder), *rows).values())
        path = Path(folder) / "mine.jsonl"
        data: Dataset = load(path, task="retrieval")
    assert len(samples) == len(data.samples)  # no id twice
    for direction in DIRECTIONS:
        candidates = {answer_of(candidate): candidate for candidate in gallery(samples, direction)}
        back: dict[str, set[str]] = {name: set() for name in candidates}
        for query in samples:
            if query.direction != direction or query.fault is not None:
                continue
            assert query.answers and len(set(query.answers)) == len(query.answers)
            assert candidates[query.answers[0]].group == query.group
            for answer in query.answers:
                back[answer].add(answer_of(query))
        # Who is right for whom holds both ways.
        for name, candidate in candidates.items():
            assert set(candidate.answers) == back[name]
    order = [sample.group for sample in data.samples]
    assert len([1 for a, b in pairwise(order) if a != b]) == len(set(order)) - 1
    for group in set(order):
        members = [sample for sample in data.samples if sample.group == group]
        directions = [sample.direction for sample in members]
        assert directions.count("image_to_text") == any(s.fault is None for s in members)
        assert "image_to_text" not in directions[1:]
