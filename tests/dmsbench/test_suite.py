"""Suite files: what they ask for, and what is said of bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.errors import DmsbenchError, SuiteError, UnknownNameError
from dmsbench.grid import Condition, View
from dmsbench.models.spec import parse
from dmsbench.suite import RetrievalConfig, Suite, builtin_suites, load_suite

GOOD: dict[str, Any] = {
    "name": "mine",
    "dataset": {"name": "easy_vqa"},
    "severities": [3, 1],
    "grid": {
        "image": ["contrast"],
        "text": ["ocr"],
        "modality": ["drop_text"],
        "joint": [{"image": "contrast", "text": "ocr"}],
    },
}
RETRIEVAL: dict[str, Any] = {"task": "retrieval", "dataset": {"name": "scenes"}}


def write(folder: Path, content: Any) -> str:
    path = folder / "suite.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def test_builtin_suites_load_and_hold_what_they_promise() -> None:
    assert set(builtin_suites()) == {
        "smoke",
        "vqa-corrupt",
        "context-vqa-corrupt",
        "caption-corrupt",
        "retrieval-corrupt",
        "vqa-joint",
        "vqav2-corrupt",
        "coco-caption-corrupt",
    }
    suite = load_suite("vqa-corrupt")
    assert len(suite.conditions) == 1 + 19 * 5
    assert suite.models == ("baseline", "dms")
    assert len(load_suite("smoke").conditions) == 1 + 6 * 3
    context = load_suite("context-vqa-corrupt")
    assert len(context.conditions) == 1 + 20 * 5
    assert (context.protect, context.dataset.level) == ((), 2)
    arms = [parse(text) for text in context.models]
    assert [(arm.name, arm.fusion) for arm in arms] == [
        ("baseline", "static"),
        ("dms", "dms"),
        ("image-only", "image"),
        ("text-only", "text"),
        ("constant", "constant"),
    ]
    # Both arms are one checkpoint, and what schedules it was fitted for this suite.
    assert {arm.checkpoint for arm in arms} == {"tiny-llava-scenes"}
    captions = load_suite("caption-corrupt")
    assert len(captions.conditions) == 1 + 14 * 3 and captions.score == "attributes"
    for each, steps in ((context, None), (captions, "each")):
        folder = parse(each.models[1]).scheduler_for(each.task)
        assert folder is not None
        card = json.loads((folder / "fit.json").read_text())
        assert (card["suite"], card["data"]["split"], card.get("steps")) == (each.name, "train", steps)


def test_conditions_clean_first_and_on_the_side_that_a_corruption_targets(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD))
    assert suite.conditions == (
        Condition(),
        Condition(image=View("contrast", 1)),
        Condition(image=View("contrast", 3)),
        Condition(text=View("ocr", 1)),
        Condition(text=View("ocr", 3)),
        Condition(text=View("drop_text", 1)),
        Condition(text=View("drop_text", 3)),
        Condition(View("contrast", 1), View("ocr", 1)),
        Condition(View("contrast", 3), View("ocr", 3)),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sead": 1}, "sead: unknown key 'sead': did you mean 'seed'?"),
        ({"seed": "one"}, "seed: input should be a valid integer"),
        ({"severities": [0]}, r"severities\.0: input should be greater than or equal to 1"),
        ({"severities": [6]}, r"severities\.0: input should be less than or equal to 5"),
        ({"severities": []}, "severities: at least one severity"),
        ({"limit": 0}, "limit: input should be greater than or equal to 1"),
        ({"task": "chess"}, "task: unknown task 'chess': known: captioning, retrieval, vqa"),
        ({"name": "../up"}, "name: string should match pattern"),
        ({"grid": {"image": ["contrasst"]}}, "did you mean 'contrast'"),
        ({"grid": {"image": ["ocr"]}}, "'ocr' is a corruption of kind text, listed under image"),
        ({"grid": {"imge": ["ocr"]}}, r"grid\.imge: unknown key 'imge': did you mean 'image'\?"),
        ({"grid": {"joint": [{"image": "ocr", "text": "ocr"}]}}, "'ocr' is a corruption of kind text"),
        ({"grid": "all"}, "grid: input should be"),
        ({"dataset": {"name": "local"}}, "dataset: 'path' belongs to the local data set"),
        ({"dataset": {"name": "vqav3"}}, r"dataset\.name: unknown data set 'vqav3': did you mean 'vqav2'\?"),
        ({"dataset": {"name": "easy_vqa", "level": 1}}, "dataset: 'level' belongs to the data set scenes"),
        ({"dataset": {"name": "easy_vqa", "count": 9}}, "dataset: 'count' belongs to the data set scenes"),
        ({"dataset": {"name": "scenes", "level": 4}}, "level: input should be less than or equal to 3"),
        ({"dataset": {"name": "scenes", "count": 0}}, "count: input should be greater than or equal"),
        ({"dataset": {"name": "scenes", "path": "x"}}, "dataset: 'path' belongs to the local data set"),
        ({"retrieval": {}}, "retrieval: belongs to the task retrieval, not to vqa"),
        (RETRIEVAL | {"dataset": GOOD["dataset"]}, "dataset: easy_vqa has nothing to be searched"),
        (RETRIEVAL | {"retrieval": {"image_to_txt": "query"}}, "did you mean 'image_to_text'"),
        (RETRIEVAL | {"retrieval": {"image_to_text": "left"}}, r"retrieval\.image_to_text: input should be"),
        (
            RETRIEVAL | {"retrieval": {"image_to_text": None, "text_to_image": None}},
            "retrieval: at least one direction",
        ),
        (RETRIEVAL | {"score": "exact_match"}, "unknown score 'exact_match'"),
        ({"dataset": {"name": "scenes", "levl": 1}}, "levl: unknown key 'levl': did you mean 'level'"),
    ],
)
def test_a_bad_suite_is_refused_with_file_key_and_expectation(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, GOOD | change)
    with pytest.raises(SuiteError, match=message) as caught:
        load_suite(path)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)


def test_retrieval_says_which_side_of_which_search_is_corrupted() -> None:
    found = load_suite("retrieval-corrupt")
    assert (found.task, found.score, found.limit) == ("retrieval", "recall_at_1", 240)
    assert len(found.conditions) == 1 + 16 * 3
    plain = Suite.model_validate(GOOD | RETRIEVAL)
    assert plain.score == "recall_at_1"
    assert plain.retrieval == found.retrieval == RetrievalConfig()
    assert (RetrievalConfig().side("image_to_text"), RetrievalConfig().side("text_to_image")) == (
        "query",
        "gallery",
    )
    one = {"image_to_text": None, "text_to_image": "both"}
    changed = Suite.model_validate(GOOD | RETRIEVAL | {"retrieval": one}).changed(seed=3, only=["clean"])
    assert changed.retrieval == RetrievalConfig(image_to_text=None, text_to_image="both")
    assert Suite.model_validate(GOOD).changed(seed=3).retrieval is None


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"suite\.yaml: line 2 not valid YAML"):
        load_suite(write(tmp_path, "name: a\nb: ]\n"))
    with pytest.raises(SuiteError, match="expected keys and values"):
        load_suite(write(tmp_path, "- 1\n"))
    with pytest.raises(SuiteError, match="not valid YAML"):
        load_suite(write(tmp_path, "name: !!python/object/apply:os.system ['true']\n"))
    with pytest.raises(SuiteError, match="cannot be read"):
        load_suite(str(tmp_path / "none.yaml"))
    with pytest.raises(UnknownNameError, match="unknown suite 'vqa-corupt': did you mean 'vqa-corrupt'"):
        load_suite("vqa-corupt")


def test_changes_from_the_command_line() -> None:
    suite = load_suite("vqa-corrupt")
    changed = suite.changed(seed=3, limit=7, severities=(2,), only=["ocr", "mismatch"], models=["baseline"])
    assert (changed.seed, changed.limit, changed.models) == (3, 7, ("baseline",))
    assert [str(c) for c in changed.conditions] == ["clean", "ocr@2", "mismatch@2"]
    with pytest.raises(UnknownNameError, match="unknown corruption 'gausian_noise': did you mean"):
        suite.changed(only=["gausian_noise"])
    with pytest.raises(SuiteError, match="suite 'smoke' does not hold corruption 'ocr'"):
        load_suite("smoke").changed(only=["ocr"])


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*Suite.model_fields, "x"]), inner)
        ),
        max_leaves=8,
    )
)
def test_any_yaml_is_a_suite_or_a_clear_error(content: Any) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            assert isinstance(load_suite(write(Path(folder), content)), Suite)
        except DmsbenchError as error:
            assert "\n" not in str(error)


def test_a_crossed_pair_is_at_every_severity_of_either(tmp_path: Path) -> None:
    file = tmp_path / "crossed.yaml"
    file.write_text(
        "name: crossed\ndataset: {name: easy_vqa}\nseverities: [1, 3]\ngrid:\n"
        "  joint: [{image: fog, text: ocr, severities: crossed}, {image: fog, text: keyboard}]\n"
    )
    suite = load_suite(str(file))
    assert [str(condition) for condition in suite.conditions] == [
        "clean",
        *(f"fog@{image}+ocr@{text}" for image in (1, 3) for text in (1, 3)),
        "fog@1+keyboard@1",
        "fog@3+keyboard@3",
    ]
    # What is kept by name is kept crossed, and the word is not taken for a corruption.
    assert len(suite.changed(only=["fog", "ocr"]).conditions) == 5
