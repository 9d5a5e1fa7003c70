"""Data sets, scores and tasks that other packages bring: checked, and told apart by package and version."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packages_offered import forget, install

from dmsbench.data.base import Sample
from dmsbench.errors import DataError, DmsbenchError, SuiteError, UnknownNameError
from dmsbench.plugins import DATASETS, SCORES, TASKS, Plugin, offered
from dmsbench.runner.job import key_maker, prepare
from dmsbench.runner.scoring import chance_of, configured, on_split
from dmsbench.suite import Suite, load_suite
from dmsbench.tasks.catalogue import BUILTIN, CAPTIONING, VQA, form, task_of
from dmsbench.tasks.scorers import scorer

DATA = """
from pathlib import Path
from dmsbench.data import Dataset, Sample
from dmsbench.data.base import fingerprint

def sample(name, group, image="a.png"):
    return Sample(name, group, Path(image), "how many?", ("two",), about=())

def made(samples, **more):
    return Dataset("x", "y", tuple(samples), more.pop("fingerprint", fingerprint(samples)), "CC0", **more)
"""
SCORE = "from dmsbench.tasks.scorers import Scorer\n"
TASK = "from dmsbench.tasks.base import Task\n" + SCORE
Bring = Callable[..., None]


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bring]:
    """Installs a package of one module that offers ``mine`` in a group."""
    count = iter(range(100))

    def made(
        group: str, code: str, *, package: str = "brings", name: str = "mine", version: str = "1.0"
    ) -> None:
        monkeypatch.undo()
        folder = tmp_path / str(next(count))
        install(folder, package, {group: f"{name} = {package}:mine"}, code, version)
        monkeypatch.syspath_prepend(str(folder))
        sys.modules.pop(package, None)
        forget()

    forget()
    yield made
    monkeypatch.undo()
    sys.modules.pop("brings", None)
    forget()


def suite(**more: Any) -> Suite:
    return Suite.model_validate(
        {"name": "s", "dataset": {"name": "easy_vqa"}, "grid": {"image": ["fog"]}, "severities": [1], **more}
    )


def written(folder: Path, text: str) -> str:
    path = folder / "suite.yaml"
    path.write_text(f"name: s\ngrid: {{image: [fog]}}\n{text}\n")
    return str(path)


def test_options_reach_the_package_and_its_complaint_the_user(bring: Bring, tmp_path: Path) -> None:
    code = """
def mine(config, *, task):
    if config.options.get("width", 1) != 1:
        raise ValueError(f"width must be 1, not {config.options['width']!r} of {config.split}, {task}")
    return made([sample("a", str(config.path.name))])
"""
    bring(DATASETS, DATA + code)
    here = "dataset: {name: mine, split: dev, path: rows.bin, images: pictures, options: {width: %s}}"
    found = load_suite(written(tmp_path, here % 1))
    assert "brings" not in sys.modules
    assert found.dataset.path == tmp_path / "rows.bin"
    assert found.dataset.images == tmp_path / "pictures"
    dataset = configured(found.dataset, "captioning")
    assert (dataset.name, dataset.split, dataset.groups) == ("mine", "dev", ("rows.bin",))
    with pytest.raises(DataError, match=r"^mine: width must be 1, not \[2, 3\] of dev, retrieval$"):
        configured(load_suite(written(tmp_path, here % "[2, 3]")).dataset, "retrieval")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataset: {name: scene}", r"dataset.name: unknown data set 'scene': did you mean 'scenes'"),
        ("dataset: {name: mime}", r"unknown data set 'mime': did you mean 'mine'"),
        ("dataset: {name: scenes, options: {a: 1}}", "'options' belongs to data sets of other packages"),
        ("dataset: {name: mine, level: 2}", "'level' belongs to the data set scenes"),
        ("dataset: {name: mine, columns: {image: a}}", "'columns' belongs to the local data set"),
        ("dataset: {name: mine, options: {when: 2020-01-01}}", "suite.yaml"),
        ("dataset: {name: scenes}\ntask: vqaa", "unknown task 'vqaa': did you mean 'vqa'"),
        ("dataset: {name: scenes}\nscore: exact", "unknown score 'exact': did you mean 'exact_match'"),
    ],
)
def test_a_suite_is_told_what_it_misspells(bring: Bring, tmp_path: Path, text: str, said: str) -> None:
    bring(DATASETS, "raise RuntimeError")
    with pytest.raises(SuiteError, match=said):
        load_suite(written(tmp_path, text))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 1", "gives a int, not a Dataset"),
        ("return made([sample('a', 'g'), sample('a', 'h')])", "two samples have the id 'a'"),
        ("return made([sample('a', 'g'), sample('b', 'g', 'b.png')])", "group 'g' has two images"),
        ("return made([], fingerprint='')", "its fingerprint is empty"),
        ("raise KeyError('x')", r"'mine' of brings 1\.0 failed to load its data \(KeyError: 'x'\)"),
        ("return made([])", "has no samples"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_one_line(
    bring: Bring, tmp_path: Path, body: str, said: str
) -> None:
    bring(DATASETS, f"{DATA}\ndef mine(config, *, task):\n    {body}\n")
    with pytest.raises(DmsbenchError, match=said):
        prepare(suite(dataset={"name": "mine"}), tmp_path)


@pytest.mark.parametrize("group", [DATASETS, SCORES, TASKS])
def test_a_package_that_cannot_be_loaded_costs_a_line_when_it_is_named(
    bring: Bring, tmp_path: Path, group: str
) -> None:
    bring(group, "raise RuntimeError('one\\ntwo')")
    key = {DATASETS: "dataset", SCORES: "score", TASKS: "task"}[group]
    named = {key: {"name": "mine"} if group == DATASETS else "mine"}
    with pytest.raises(DmsbenchError, match=r"of brings 1\.0 cannot be loaded \(RuntimeError: one two\)"):
        prepare(suite(**named), tmp_path)
    assert offered(group)["mine"].title == "brings 1.0"


def test_what_cannot_be_loaded_is_listed_with_the_reason(bring: Bring) -> None:
    from dmsbench.cli.list_foreign import entries

    for topic, group in (("datasets", DATASETS), ("scores", SCORES), ("tasks", TASKS)):
        bring(group, "raise RuntimeError('why')")
        (listed,) = entries(topic, load=False)
        assert (listed["name"], listed["plugin"]) == ("mine", "brings 1.0")
        assert "brings" not in sys.modules
        (listed,) = entries(topic, load=True)
        assert "cannot be loaded (RuntimeError: why)" in listed["error"]
    bring(TASKS, f"{TASK}mine = Task('mine', 'what it is', ('exact_match',))")
    (listed,) = entries("tasks", load=True)
    assert (listed["scores"], listed["description"]) == (["exact_match"], "what it is")


def test_own_names_are_never_replaced(bring: Bring, tmp_path: Path) -> None:
    for group, name in ((DATASETS, "scenes"), (TASKS, "vqa"), (SCORES, "exact_match")):
        bring(group, "raise RuntimeError", name=name)
        job = prepare(suite(dataset={"name": "scenes", "count": 2}), tmp_path)
        assert job.identity["score"] == scorer("exact_match").signature
        assert task_of("vqa") is VQA


def test_a_score_is_told_apart_by_package_and_version(bring: Bring, tmp_path: Path) -> None:
    code = """
def mine(task):
    if task != "vqa":
        raise ValueError(f"is of questions, not of {task}")
    return Scorer("anything", "any", "first-letter|v1", "d", lambda given, known: given[:1] == known[0][:1])
"""
    made = {}
    for version in ("1.0", "1.1"):
        bring(SCORES, SCORE + code, version=version)
        found = scorer("mine")
        assert (found.name, found.task) == ("mine", "vqa")
        assert found.signature == f"mine|first-letter|v1|brings {version}"
        assert found.function("blue", ["black"]) == 1.0
        job = prepare(suite(dataset={"name": "scenes", "count": 2}, score="mine"), tmp_path)
        made[version] = job.fingerprint, key_maker(job, "m", {})(job.plan.blocks[0], job.plan.images[0])
    assert made["1.0"][0] != made["1.1"][0]
    assert made["1.0"][1] != made["1.1"][1]
    with pytest.raises(DmsbenchError, match=r"^mine: is of questions, not of captioning$"):
        scorer("mine", "captioning")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1.5", "a score is a number from 0 to 1, not 1.5"),
        ("-0.1", "not -0.1"),
        ("float('nan')", "not nan"),
        ("'1'", "not '1'"),
        ("1 / 0", r"failed at an answer \(ZeroDivisionError"),
    ],
)
def test_a_score_outside_its_range_ends_the_run_and_names_the_package(
    bring: Bring, value: str, said: str
) -> None:
    bring(SCORES, f"{SCORE}def mine(task): return Scorer('m', task, 'v1', 'd', lambda *given: {value})")
    with pytest.raises(DmsbenchError, match=said) as refused:
        scorer("mine").function("a", ["b"])
    assert "brings 1.0" in str(refused.value)


@pytest.mark.parametrize(
    ("made", "task", "said"),
    [
        ("3", "vqa", "gives a int, not a Scorer"),
        ("Scorer('m', task, '', 'd', len)", "vqa", "its signature is empty"),
        (
            "Scorer('m', task, 'v1', 'd', len)",
            "retrieval",
            "of_rank and of_chance belong to scores of retrieval",
        ),
        (
            "Scorer('m', task, 'v1', 'd', len, of_rank=abs, of_chance=max)",
            "vqa",
            "belong to scores of retrieval",
        ),
    ],
)
def test_a_score_that_cannot_be_used_is_refused(bring: Bring, made: str, task: str, said: str) -> None:
    bring(SCORES, f"{SCORE}def mine(task): return {made}")
    with pytest.raises(DmsbenchError, match=said):
        scorer("mine", task)


def test_a_score_of_a_whole_split_keeps_its_package(bring: Bring) -> None:
    code = """
def of_split(images):
    longest = max(len(text) for texts in images for text in texts)
    return (lambda given, known: min(1.0, len(given) / longest)), f"length|longest:{longest}|v1"

def mine(task):
    return Scorer("m", task, "length|v1", "d", lambda *given: 0.0, graded=True, of_split=of_split)
"""
    bring(SCORES, SCORE + code)
    dataset = configured(suite(dataset={"name": "scenes", "count": 5}).dataset, "vqa")
    found = on_split(scorer("mine"), dataset)
    longest = max(len(answer) for sample in dataset.samples for answer in sample.answers)
    assert found.signature == f"mine|length|longest:{longest}|v1|brings 1.0"
    assert found.function("x", ["y"]) == 1 / longest


COUNT = """
def mine():
    own = Scorer("own", "", "v1", "d", lambda given, known: given == known[0])
    return Task("mine", "d", ("exact_match", own),
                longest=3, prompt=lambda asked: asked + " In digits.", parse=lambda said: said.split()[-1],
                version=VERSION, chance=CHANCE)
"""


def test_builtin_tasks_are_of_the_same_shape() -> None:
    assert set(BUILTIN) == {"vqa", "captioning"}
    assert (VQA.longest, VQA.steps, CAPTIONING.longest, CAPTIONING.steps) == (16, "first", 64, "each")
    for task in BUILTIN.values():
        assert task.prompt("as it is ") == task.parse("as it is ") == "as it is "
        assert task.signature == ""
    with pytest.raises(UnknownNameError, match="unknown task 'retrieval'"):
        task_of("retrieval")


def test_a_task_says_what_is_asked_read_and_scored(bring: Bring, tmp_path: Path) -> None:
    code = TASK + "from dmsbench.data import Chance\n" + COUNT
    made = {}
    for version in (1, 2):
        bring(
            TASKS,
            code.replace("VERSION", str(version)).replace("CHANCE", "lambda found: Chance(0.25, 'four')"),
        )
        task = task_of("mine")
        assert task.prompt("How many?") == "How many? In digits."
        assert form("mine") == "vqa"
        found = suite(task="mine", dataset={"name": "scenes", "count": 2})
        assert found.score == "exact_match"
        own = suite(task="mine", dataset={"name": "scenes", "count": 2}, score="own")
        assert own.score == "own"
        exact = scorer("exact_match", "mine")
        assert exact.function("There are 3", ["3"]) == 1.0
        assert scorer("exact_match", "vqa").function("There are 3", ["3"]) == 0.0
        assert scorer("own", "mine").signature == f"own|v1|brings 1.0|mine|v{version}|brings 1.0"
        job = prepare(found, tmp_path)
        assert job.identity["task_version"] == f"mine|v{version}|brings 1.0"
        assert chance_of(exact, job.dataset) == {"value": 0.25, "definition": "four"}
        made[version] = key_maker(job, "m", {})(job.plan.blocks[0], job.plan.images[0])
    assert made[1] != made[2]
    with pytest.raises(ValueError, match=r"unknown score 'cider_d'"):
        suite(task="mine", dataset={"name": "scenes"}, score="cider_d")
    with pytest.raises(ValueError, match=r"unknown task 'mime': did you mean 'mine'"):
        suite(task="mime")


def test_what_is_asked_is_added_to_the_damaged_question(bring: Bring, tmp_path: Path) -> None:
    from dmsbench.grid import View
    from dmsbench.runner.cells import cells_of
    from dmsbench.runner.run import views_of

    bring(TASKS, TASK + COUNT.replace("VERSION", "1").replace("CHANCE", "None"))
    job = prepare(
        suite(task="mine", dataset={"name": "scenes", "count": 2}, grid={"text": ["case_upper"]}), tmp_path
    )
    (plan,) = job.plan.images
    cells = cells_of(views_of(job), job.truth, job.plan.blocks[0], plan, task_of("mine").prompt)
    damaged = [cell for cell in cells if cell.text_view == View("case_upper", 1)]
    assert damaged
    for cell in cells:
        assert cell.prompt.question == f"{cell.text.question} In digits."
        assert cell.prompt.context == cell.text.context


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("Task('other', 'd', ('exact_match',))", "named 'mine' and the task 'other'"),
        ("Task('mine', 'd', ())", "it has no scores"),
        ("Task('mine', 'd', ('exact',))", "its score 'exact' is none of dmsbench"),
        ("Task('mine', 'd', ('recall_at_1',))", "is one of retrieval"),
        ("Task('mine', 'd', (3,))", "neither a name nor a Scorer"),
        ("Task('mine', 'd', (Scorer('bleu4', '', 'v1', 'd', len),))", "the name of a builtin one"),
        ("Task('mine', 'd', ('exact_match',), longest=0)", "longest must be from 1"),
        ("Task('mine', 'd', ('exact_match',), steps='all')", "steps first or each"),
        ("len", "failed to make the task"),
        ("5", "gives a int, not a Task"),
    ],
)
def test_a_task_that_cannot_be_used_is_refused(bring: Bring, made: str, said: str) -> None:
    bring(TASKS, f"{TASK}mine = {made}")
    with pytest.raises(DmsbenchError, match=said) as refused:
        task_of("mine")
    assert "brings 1.0" in str(refused.value)


@pytest.mark.parametrize(
    ("parse", "said"),
    [("len", "it must give a text, not a int"), ("int", r"failed to read an answer \(ValueError")],
)
def test_a_task_that_cannot_read_an_answer_is_an_error_of_its_package(
    bring: Bring, parse: str, said: str
) -> None:
    bring(TASKS, f"{TASK}mine = Task('mine', 'd', ('exact_match',), parse={parse})")
    with pytest.raises(DmsbenchError, match=said):
        scorer("exact_match", "mine").function("three", ["3"])


@pytest.mark.parametrize(
    ("fusion", "said"),
    [
        ("dms", "none for mine: ask for the rule by alpha= or beta="),
        ("rule", "none for mine: use another fusion: there are no fits for tasks of other packages"),
    ],
)
def test_what_was_fitted_is_of_builtin_tasks(bring: Bring, fusion: str, said: str) -> None:
    from dmsbench.errors import ModelError
    from dmsbench.models.spec import parse
    from dmsbench.models.zoo import Zoo

    bring(TASKS, f"{TASK}mine = Task('mine', 'd', ('exact_match',), longest=5)")
    zoo = Zoo(task="mine")
    with pytest.raises(ModelError, match=said):
        zoo.load(parse(f"x=tiny-llava-scenes,fusion={fusion}"))
    adapter = zoo.adapter(parse("tiny-llava-scenes"))
    assert adapter.max_new_tokens == 5
    assert zoo.load(parse("x=tiny-llava-scenes,fusion=dms,beta=1")).state_key == adapter.state_key


def test_a_plugin_says_whose_it_is(bring: Bring) -> None:
    bring(DATASETS, DATA)
    found = offered(DATASETS)["mine"]
    assert isinstance(found, Plugin)
    assert found.origin == {"package": "brings", "version": "1.0", "object": "brings:mine"}


def test_samples_are_as_the_package_gives_them(bring: Bring) -> None:
    bring(DATASETS, DATA + "\ndef mine(config, *, task): return made([sample('a', 'g')])\n")
    (found,) = configured(suite(dataset={"name": "mine"}).dataset, "vqa").samples
    assert found == Sample("a", "g", Path("a.png"), "how many?", ("two",), about=())
