"""Suite files with anything in them: fine, or one line that says what is wrong and where; never any work."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from counted import count
from hypothesis import example, given
from hypothesis import strategies as st
from trials import check_message, trials

from corruptions import CorruptionError
from dmsbench.errors import DmsbenchError, SuiteError
from dmsbench.models.spec import parse
from dmsbench.runner.job import prepare
from dmsbench.size_limits import LARGEST_SEED, MOST_RECORDS, check_size
from dmsbench.suite import Suite, builtin_suites, load_suite
from dmsbench.suite_blocks import MOST_SCENES
from dmsbench.suite_yaml import MOST_BYTES

SHIPPED = [yaml.safe_load(path.read_text()) for path in builtin_suites().values()]
KEYS = sorted(
    {*Suite.model_fields, "image", "text", "modality", "joint", "backend", "protect", "path", "images"}
)
odd = st.sampled_from(
    [
        None, True, False, 0, -1, 6, 10**30, 1e308, float("nan"), float("inf"), -0.0, "", " ", "\0", "fog",
        "\x1b[2J", "nan", "x" * 5000, "../../etc", "\u202e", [], {}, [[]], [None], {"a": {"a": {}}},
        ["fog"] * 500, [1, 2, 3], {"fog": 1}, [{"image": "fog"}],
        [{"image": "fog", "text": "keyboard", "severities": "crossed"}],
    ]
)  # fmt: skip
anything = odd | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def places(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be changed."""
    inner = list(document.items()) if isinstance(document, dict) else []
    inner = list(enumerate(document)) if isinstance(document, list) else inner
    return [(*at, key) for key, _ in inner] + [
        place for key, held in inner for place in places(held, (*at, key))
    ]


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A shipped suite in which one to three things are other things, gone, twice or named otherwise."""
    document = copy.deepcopy(draw(st.sampled_from(SHIPPED)))
    for _ in range(draw(st.integers(1, 3))):
        found = places(document)
        if not found:
            break
        *above, key = draw(st.sampled_from(found))
        within = document
        for step in above:
            within = within[step]
        how = draw(st.sampled_from(("value", "value", "value", "gone", "added", "renamed")))
        if how == "value":
            within[key] = copy.deepcopy(draw(anything))
        elif how == "gone":
            del within[key]
        elif isinstance(within, list):
            within.append(copy.deepcopy(draw(anything)))
        elif how == "added":
            within[draw(st.sampled_from(KEYS) | st.text(max_size=6))] = copy.deepcopy(draw(anything))
        else:
            within[draw(st.sampled_from(KEYS) | st.text(max_size=6))] = within.pop(key)
    return document


def judged(path: Path) -> str | None:
    """What is said about a suite file before any work; None where it is fine."""
    try:
        suite = load_suite(str(path))
        for model in suite.models:
            parse(model)
        suite.differing()
        check_size(suite, suite.limit or 1000)
    except (DmsbenchError, CorruptionError) as error:
        check_message(str(error))
        return str(error)
    return None


def refused(folder: Path, text: str | bytes) -> str:
    path = folder / "bad.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    began = time.process_time()
    said = judged(path)
    assert said is not None
    assert time.process_time() - began < 30, "a small file that takes for ever"
    count("bad inputs: suites")
    return said


@trials(700)
@given(document=changed())
def test_suites_with_other_things_in_them(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=False), encoding="utf-8")
    count("bad inputs: suites")
    judged(path)


@trials(300)
@given(
    which=st.integers(0, 100), at=st.integers(0, 5000), insert=st.binary(max_size=6), cut=st.integers(0, 40)
)
def test_suites_with_other_bytes_in_them(
    tmp_path_factory: pytest.TempPathFactory, which: int, at: int, insert: bytes, cut: int
) -> None:
    shipped = list(builtin_suites().values())
    content = shipped[which % len(shipped)].read_bytes()
    at %= len(content)
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content[:at] + insert + content[at + cut :])
    count("bad inputs: suites")
    judged(path)


@trials(200)
@given(text=st.text(st.sampled_from("{}[]:,-&*!|>?#@`%\"'\n\t aA0.<~"), max_size=60))
@example(text="!!timestamp x")
@example(text="limit: !!int ''")
@example(text="limit: !!bool perhaps")
@example(text="a: 2001-99-99")
@example(text="? [a]\n: b")
def test_any_punctuation(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "punctuation.yaml"
    path.write_text(text)
    count("bad inputs: suites")
    assert judged(path)


GRID = "grid: {image: [fog]}\n"
SOUND = "name: sound\ndataset: {name: easy_vqa}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected keys and values"),
        ("[]", "expected keys and values"),
        (b"name: \xff", "not UTF-8"),
        ("name: a\0b", "not valid YAML"),
        (SOUND + GRID + "severitys: [1]", "did you mean 'severities'"),
        (SOUND + GRID + "severities: [0]", "severities.0"),
        (SOUND + GRID + "severities: [6]", "severities.0"),
        (SOUND + GRID + "severities: []", "at least one severity"),
        (SOUND + GRID + "severities: 3", "should be a list"),
        (SOUND + GRID + f"seed: {LARGEST_SEED + 1}", "seed"),
        (SOUND + GRID + f"seed: {'9' * 5000}", "not valid YAML"),
        (SOUND + GRID + f"limit: {MOST_RECORDS + 1}", "limit"),
        (SOUND + GRID + "max_error_rate: .nan", "max_error_rate"),
        (SOUND + GRID + "models: [a=./x, b", "not valid YAML"),
        (SOUND + "grid: {image: [fogg]}", "did you mean 'fog'"),
        (SOUND + "grid: {text: [fog]}", "kind image"),
        (SOUND + "grid: &a {image: [fog], joint: [*a]}", "grid.joint.0"),
        (SOUND + "grid: &a [*a]", "grid"),
        (SOUND + "settings: &a {fog: *a}\n" + GRID, "settings.fog"),
        ("&a {*a: 1}", "not valid YAML"),
        ("&a {<<: *a}", ""),
        ("name: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("name: !!python/name:os.system", "not valid YAML"),
        ("dataset: {name: scenes, count: 1000001}\nname: many\n" + GRID, "1000000"),
        ("dataset: {name: easy_vqa, allow_outside: true}\nname: x\n" + GRID, "allow_outside"),
        ("[" * 200_000, "nested too deeply"),
        ("{a: " * 20_000, "nested too deeply"),
        ("#" + "x" * MOST_BYTES, "bytes, more than 1,048,576"),
        ("name: " + "x" * 1_000_000 + "\ndataset: {name: easy_vqa}\n" + GRID, "cannot name a suite"),
        (SOUND + GRID + "? " + "x" * 900_000 + "\n: 1", "unknown key"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_few_lines_that_mean_many(tmp_path: Path) -> None:
    """Ten of ten of ten …: a list costs nothing, a merge costs memory."""
    lists = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))
    assert "a0" in refused(tmp_path, f"a0: &a0 [x]\n{lists}\n" + SOUND + GRID)
    merged = "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12))
    said = refused(tmp_path, f"a0: &a0 {{x: 1}}\n{merged}\n" + SOUND + GRID)
    assert "100,000 keys once all are merged" in said


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "is a folder, no file"),
        (lambda path: os.mkfifo(path), "is a pipe, no file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, no file"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: None, "No such file"),
    ],
)
def test_what_is_no_file(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    make(tmp_path / "a.yaml")
    found = judged(tmp_path / "a.yaml")
    assert found is not None
    assert said in found
    count("bad inputs: suites")


def test_an_absurd_grid_is_refused_with_its_size_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dmsbench.size_limits.MOST_RECORDS", 1000)
    (tmp_path / "a.yaml").write_text(SOUND + GRID + "limit: 100\nmodels: [baseline, dms]\n")
    suite = load_suite(str(tmp_path / "a.yaml"))
    with pytest.raises(
        SuiteError, match=r"100 samples × 6 conditions × 2 models = 1,200 records, more than 1,000"
    ):
        prepare(suite, tmp_path / "results")
    assert not (tmp_path / "results").exists()
    count("bad inputs: suites")


def test_a_grid_that_no_machine_finishes(tmp_path: Path) -> None:
    said = refused(tmp_path, SOUND + GRID + f"limit: {MOST_RECORDS}\n")
    assert "1,000,000,000 samples × 6 conditions × 2 models = 12,000,000,000 records" in said
    assert MOST_SCENES < MOST_RECORDS
