"""Public data through the command line: a tiny model on the smoke grid, offline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from public_sets import datasets, mirror, picture, tar

from dmsbench.runner.store import RunFolder
from dmsbench.suite import load_suite

GRID = {
    "image": ["gaussian_noise"],
    "text": ["keyboard"],
    "modality": ["mismatch"],
    "joint": [{"image": "gaussian_noise", "text": "keyboard"}],
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def suite(folder: Path, **keys: Any) -> Path:
    path = folder / "suite.yaml"
    base = {"name": "public", "severities": [3], "grid": GRID, "include_false": ["mismatch"]}
    path.write_text(yaml.safe_dump({**base, **keys}))
    return path


def only_run(out: Path) -> RunFolder:
    (found,) = (out / "public").iterdir()
    return RunFolder(found)


def test_vqa_v2_with_and_without_workers_is_the_same_to_the_byte(
    dmsbench: Callable[..., Any], tiny_folder: Path, tmp_path: Path
) -> None:
    mirror("vqav2", tmp_path / "mirror")
    path = suite(tmp_path, dataset={"name": "vqav2", "path": "./mirror"})
    tables = []
    for workers in ("0", "1"):
        out = tmp_path / f"out{workers}"
        options = ["--model", f"tiny={tiny_folder}", "--workers", workers, "--out", out, "--quiet"]
        done = dmsbench("run", "--suite", path, *options)
        assert done.code == 0, done.err
        run = only_run(out)
        manifest = run.manifest()
        assert manifest["identity"]["score"].startswith("vqa_v2_official")
        assert manifest["dataset"]["source"]["preset"] == "vqav2"
        assert "CC BY 4.0" in manifest["dataset"]["licence"]
        records = run.records("tiny")
        assert set(records["status"]) == {"ok"} and len(records) == 12 * 5
        tables.append(records)
    time_columns = [name for name in tables[0] if "seconds" in name or name.endswith("_ms")]
    pd.testing.assert_frame_equal(*(table.drop(columns=time_columns) for table in tables), check_exact=True)


@pytest.mark.parametrize(
    ("name", "task", "model"),
    [
        ("gqa", "vqa", "{tiny}"),
        ("textvqa", "vqa", "{tiny}"),
        ("scienceqa", "vqa", "{tiny}"),
        ("coco-captions", "captioning", "{tiny}"),
        ("flickr30k", "retrieval", "baseline-retrieval"),
    ],
)
def test_each_public_set_is_asked_from_a_copy_on_this_disk(
    dmsbench: Callable[..., Any], tiny_folder: Path, tmp_path: Path, name: str, task: str, model: str
) -> None:
    mirror(name, tmp_path / "mirror")
    grid = {"image": ["gaussian_noise"]}
    dataset = {"name": name, "path": "./mirror"}
    path = suite(tmp_path, dataset=dataset, task=task, grid=grid, include_false=[])
    chosen = f"m={model.format(tiny=tiny_folder)}"
    done = dmsbench("run", "--suite", path, "--model", chosen, "--out", tmp_path / "out", "--quiet")
    assert done.code == 0, done.err
    records = only_run(tmp_path / "out").records("m")
    assert set(records["status"]) <= {"ok", "left_out"} and len(records) >= 6


def test_shards_and_a_stream_are_named_on_the_command_line(
    dmsbench: Callable[..., Any], tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shard in range(2):
        files: dict[str, Any] = {}
        for at in range(3):
            files[f"{shard}{at}.png"] = picture(10 * shard + at)
            files[f"{shard}{at}.json"] = {"question": "what color is it?", "answers": ["red"]}
        tar(tmp_path / f"{shard}.tar", files)
    monkeypatch.chdir(tmp_path)
    options = ["--model", f"tiny={tiny_folder}", "--corruption", "clean", "--out", "out", "--quiet"]
    done = dmsbench("run", "--suite", "smoke", "--data", "{0..1}.tar", *options)
    assert done.code == 0, done.err
    mirror("vqav2", tmp_path / "mirror")
    done = dmsbench("run", "--suite", "smoke", "--data", "hub:./mirror", *options)
    assert done.code == 0, done.err
    asked = [RunFolder(run).manifest()["dataset"] for run in (tmp_path / "out" / "smoke").iterdir()]
    assert sorted((one["name"], one["samples"]) for one in asked) == [("hub", 3), ("webdataset", 6)]
    streamed = suite(tmp_path, dataset={"name": "vqav2", "path": "./mirror", "streaming": True}, limit=5)
    done = dmsbench("run", "--suite", streamed, *options)
    assert done.code == 0, done.err
    assert len(only_run(tmp_path / "out").records("tiny")) == 5


def test_slips_are_told_in_one_line(dmsbench: Callable[..., Any], tmp_path: Path) -> None:
    for data, said in (
        ("vqa-v2", "unknown file or data set 'vqa-v2': did you mean 'vqav2'?"),
        ("hub:a", "'a' is no data set of the hub"),
        ("none.jsonl", "no such file"),
        ("none-{0..1}.tar", "no such tar file"),
    ):
        done = dmsbench("run", "--suite", "smoke", "--data", data, "--out", tmp_path / "out")
        assert done.code == 2 and said in done.err and done.err.count("\n") == 1, done.err
    done = dmsbench("run", "--suite", "smoke", "--data", "vqav2", "--images", tmp_path)
    assert done.code == 2 and "--images and --allow-outside belong to a file" in done.err


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ({"name": "vqa2"}, "unknown data set 'vqa2': did you mean 'vqav2'?"),
        ({"name": "hub"}, "hub needs a 'path'"),
        ({"name": "webdataset"}, "webdataset needs a 'path'"),
        ({"name": "scenes", "streaming": True}, "'streaming' belongs to data sets of the hub"),
        ({"name": "gqa", "config": "x"}, "'gqa' has its config"),
        ({"name": "hub", "path": "a/b", "split": "test[:10]"}, "'split' takes a whole split"),
        ({"name": "hub", "path": "a/b", "columns": {"choises": "x"}}, "did you mean 'choices'?"),
        ({"name": "flickr30k"}, "flickr30k is for captioning and retrieval, not for vqa"),
    ],
)
def test_a_suite_that_cannot_be_meant_is_refused(
    dmsbench: Callable[..., Any], tmp_path: Path, dataset: dict[str, Any], said: str
) -> None:
    done = dmsbench("suite", "check", suite(tmp_path, dataset=dataset))
    assert done.code == 2 and said in done.err, done.err


def test_a_public_set_brings_its_split_and_its_score_unless_told_otherwise(tmp_path: Path) -> None:
    found = load_suite(str(suite(tmp_path, dataset={"name": "vqav2"})))
    assert (found.dataset.split, found.score) == ("validation", "vqa_v2_official")
    told = load_suite(str(suite(tmp_path, dataset={"name": "vqav2", "split": "test"}, score="exact_match")))
    assert (told.dataset.split, told.score) == ("test", "exact_match")
    smoke = load_suite("smoke")
    assert smoke.changed(dataset=found.dataset).score == "vqa_v2_official"
    assert smoke.changed(dataset=found.dataset, score="exact_match").score == "exact_match"
    parsed = smoke.changed(score="exact_match_parsed")
    assert parsed.changed(dataset=found.dataset).score == "exact_match_parsed"


def test_listing_data_sets_imports_no_library_of_the_hub() -> None:
    script = (
        "import sys; sys.argv = ['dmsbench', 'list', 'datasets', '--json']\n"
        "from dmsbench.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print([name for name in ('datasets', 'huggingface_hub', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and '"vqav2"' in done.stdout and "CC BY 4.0" in done.stdout
