"""What is left out of which condition, who says so, and that a suite can ask for it all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from corruptions import Topic
from dmsbench.data import easy_vqa, scenes
from dmsbench.data.base import Sample, fingerprint
from dmsbench.data.local import load
from dmsbench.errors import SuiteError
from dmsbench.grid import CLEAN, Condition, View
from dmsbench.suite import Suite, load_suite
from dmsbench.truth import LeftOut, Truth, included_though_false, left_out, lines

HUE, FLIP, SWAP = View("hue_shift", 1), View("flip_h", 1), View("word_swap", 3)


def sample(*about: Topic, name: str = "q", fault: str | None = None, declared: bool = True) -> Sample:
    path = Path("a.png")
    return Sample(name, "a", path, "?", ("red",), fault=fault, about=about if declared else None)


@pytest.mark.parametrize(
    ("about", "views", "reason"),
    [
        (("colour",), (HUE, CLEAN), "hue_shift makes colour false"),
        (("position",), (HUE, CLEAN), None),
        (("colour", "text", "position"), (FLIP, CLEAN), "flip_h makes position and text false"),
        (("everything",), (FLIP, CLEAN), "flip_h makes position and text false"),
        (("everything",), (View("gaussian_noise", 5), CLEAN), None),
        (
            ("colour", "wording"),
            (HUE, SWAP),
            "hue_shift makes colour false; word_swap makes wording false",
        ),
        ((), (HUE, SWAP), None),
        ((), (View("mismatch", 1), CLEAN), "mismatch makes everything false"),
        (("colour",), (CLEAN, CLEAN), None),
    ],
)
def test_reasons(about: tuple[Topic, ...], views: tuple[View, View], reason: str | None) -> None:
    assert Truth().reason(sample(*about), *views) == reason


def test_undeclared_is_as_empty_and_faults_stay_faults_and_included_is_asked() -> None:
    assert Truth().reason(sample(declared=False), HUE) is None
    assert Truth().reason(sample(declared=False), View("mismatch_text", 2)) is not None
    assert Truth().reason(sample("colour", fault="line 3: no question"), HUE) is None
    asked = Truth(frozenset({"hue_shift"}))
    assert asked.reason(sample("colour", "wording"), HUE, SWAP) == "word_swap makes wording false"
    assert not asked.concerns(HUE)


def test_counts_and_lines() -> None:
    samples = [sample("colour"), sample("colour", fault="x"), sample("position", "wording"), sample()]
    conditions = [
        Condition(),
        *(Condition(View("hue_shift", s)) for s in (1, 5)),
        Condition(FLIP, SWAP),
        Condition(View("fog", 1)),
        Condition(View("mismatch", 1)),
    ]
    found = left_out(Truth(frozenset({"mismatch"})), samples, conditions)
    assert found == [
        LeftOut("hue_shift", 1, ("colour",)),
        LeftOut("flip_h+word_swap", 1, ("position", "wording")),
    ]
    included = included_though_false(Truth(frozenset({"mismatch", "grayscale", "scale"})), samples)
    assert included == ["grayscale", "mismatch"]  # nothing here is about count or size
    assert lines(found[:1], included, {}, 1200) == [
        "left out: hue_shift 1 of 1,200 samples (colour)",
        "included though they make answers wrong: grayscale, mismatch",
    ]
    assert lines(found[:1], ["mismatch"], {"keyboard": {"protect": []}}, 1) == [
        "left out: hue_shift 1 of 1 samples (colour); in no mean",
        "included though it makes answers wrong: mismatch",
        "set for keyboard: protect nothing",
    ]


def suite(**changes: object) -> Suite:
    grid = {"image": ["hue_shift", "fog"], "modality": ["mismatch"]}
    return Suite.model_validate({"name": "s", "dataset": {"name": "easy_vqa"}, "grid": grid, **changes})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("grayscale", "include_false: 'grayscale' is not in the grid"),
        ("hue_shfit", "include_false: unknown corruption 'hue_shfit': did you mean 'hue_shift'?"),
        ("fog", "include_false: 'fog' makes nothing false"),
    ],
)
def test_include_false_names_what_is_in_the_grid_and_false(tmp_path: Path, name: str, said: str) -> None:
    text = "name: s\ndataset: {name: easy_vqa}\ngrid: {image: [hue_shift, fog]}\n"
    (tmp_path / "s.yaml").write_text(f"{text}include_false: [{name}]\n")
    with pytest.raises(SuiteError) as caught:
        load_suite(str(tmp_path / "s.yaml"))
    assert str(caught.value).startswith(f"{tmp_path / 's.yaml'}: line 4: {said}")
    with pytest.raises(SuiteError, match="include_false: "):
        suite().changed(include_false=[name])


def test_include_false_is_a_list(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("name: s\ndataset: {name: easy_vqa}\ngrid: {text: [keyboard]}\ninclude_false: keyboard\n")
    with pytest.raises(SuiteError, match=r"line 4: include_false: input should be a list$"):
        load_suite(str(file))


def test_the_command_line_adds_and_only_takes_away() -> None:
    told = suite(include_false=["mismatch"])
    assert told.changed(include_false=["hue_shift", "mismatch"]).include_false == ("mismatch", "hue_shift")
    assert told.changed(only=["fog"]).include_false == ()
    assert told.changed(only=["clean"]).include_false == ()
    assert told.changed(only=["mismatch", "fog"]).include_false == ("mismatch",)
    with pytest.raises(SuiteError, match="'mismatch' is not in the grid"):
        told.changed(only=["fog"], include_false=["mismatch"])


@pytest.mark.parametrize("name", ["vqa-corrupt", "smoke"])
def test_builtin_suites_keep_their_grids_whole(name: str) -> None:
    shipped = load_suite(name)
    samples = easy_vqa.load("test").samples[:200]
    assert shipped.include_false == ("mismatch",)
    assert left_out(Truth.of(shipped), samples, shipped.conditions) == []
    assert included_though_false(Truth.of(shipped), samples) == ["mismatch"]


def test_the_suite_of_scenes_asks_everything_under_everything() -> None:
    shipped = load_suite("context-vqa-corrupt")
    samples = scenes.load("test", count=60).samples
    assert left_out(Truth.of(shipped), samples, shipped.conditions) == []
    assert included_though_false(Truth.of(shipped), samples) == ["mismatch", "mismatch_text"]


def test_easy_vqa_declares_colours_and_whether_there_is_one() -> None:
    about = {(s.question, s.answers[0] in ("yes", "no")): s.about for s in easy_vqa.load("test").samples}
    assert about["what color is the shape?", False] == ("colour",)
    assert about["what is the blue shape?", False] == ("colour",)
    assert about["what shape is present?", False] == ()
    assert about["is there a circle?", True] == ("count",)
    assert about["is there a red shape?", True] == ("colour", "count")
    assert None not in about.values()


def test_own_data_may_declare(tmp_path: Path) -> None:
    base = {"image": "a.png", "question": "which?", "answers": ["red"]}
    given: list[object] = ["none", None, [], "colour", ["text", " colour ", "text"], ["color"], 3, [1]]
    rows = [{**base, "id": str(i)} | ({} if v == "none" else {"about": v}) for i, v in enumerate(given)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = {s.id: s for s in load(tmp_path / "q.jsonl").samples}
    assert [found[str(i)].about for i in range(5)] == [None, None, (), ("colour",), ("colour", "text")]
    assert [found[str(i)].fault for i in range(5)] == [None] * 5
    assert found["5"].fault == "line 6: unknown topic in about 'color': did you mean 'colour'?"
    assert found["6"].fault == "line 7: about is neither a topic nor a list of topics"
    assert found["7"].fault == "line 8: a topic of about is not text"


def test_only_what_is_declared_is_in_the_fingerprint() -> None:
    undeclared = fingerprint([sample(declared=False)])
    prints = {undeclared, fingerprint([sample()]), fingerprint([sample("colour")])}
    assert len(prints) == 3
    assert undeclared == "5a0fad56be382d8a889453b9cf8006d3"  # as before there was anything to declare
    assert fingerprint([sample("colour", "text")]) == fingerprint([sample("text", "colour")])


def test_words_without_the_default_protection_can_make_a_question_false() -> None:
    keyboard = View("keyboard", 2)
    about_count = sample("count")
    assert Truth().reason(about_count, keyboard) is None
    bare = Truth(unprotected=frozenset({"keyboard"}))
    assert bare.reason(about_count, keyboard) == "keyboard makes count false"
    assert bare.reason(sample("text"), keyboard) is None
    assert bare.reason(about_count, View("ocr", 2)) is None


def test_a_damaged_context_leaves_the_question_true() -> None:
    bare = Truth(unprotected=frozenset({"keyboard"}))
    beside = replace(sample("count", "wording"), context="three cats on a sofa")
    assert bare.reason(beside, View("keyboard", 2), SWAP) is None
    assert bare.reason(beside, View("mismatch_text", 2)) is not None
    assert bare.reason(replace(beside, about=("colour",)), HUE) is not None


def test_a_suite_knows_whom_it_leaves_unprotected() -> None:
    plain = load_suite("vqa-corrupt")

    def unprotected(**changes: object) -> frozenset[str]:
        return Suite.model_validate(plain.model_dump() | changes).unprotected

    texts = frozenset(plain.grid.text)
    assert unprotected() == unprotected(protect=["default", "circle"]) == frozenset()
    assert unprotected(protect=["red"]) == texts
    assert unprotected(settings={"ocr": {"protect": []}}) == {"ocr"}
    assert unprotected(protect=[], include_false=["ocr", "mismatch"]) == texts
    with pytest.raises(ValueError, match="'ocr' makes nothing false"):
        unprotected(include_false=["ocr"])
