"""What a damaged or unwritable results folder says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dmsbench.errors import DmsbenchError, NotComparableError
from dmsbench.runner.find import check_comparable, entrant, pair
from dmsbench.runner.run import LONGEST_NAME, load_arms, prepare
from dmsbench.runner.store import MANIFEST_FORMAT, RunFolder
from dmsbench.suite import load_suite

WHOLE: dict[str, Any] = {
    "format": MANIFEST_FORMAT,
    "fingerprint": "f",
    "chance": None,
    "dataset": {},
    "identity": {},
    "models": {},
}


@pytest.mark.parametrize(
    "change",
    [{"format": 99}, {"models": []}, {"models": {"m": {}}}, {"identity": None}, {"dataset": None}],
    ids=str,
)
def test_a_manifest_that_is_none_is_refused_with_a_way_out(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(WHOLE))
    assert RunFolder(tmp_path).manifest() == WHOLE
    (tmp_path / "manifest.json").write_text(json.dumps(WHOLE | change))
    with pytest.raises(DmsbenchError, match=r"not a manifest of this version .*; delete or move it and run"):
        RunFolder(tmp_path).manifest()
    with pytest.raises(DmsbenchError, match="delete or move it"):
        entrant(tmp_path)


def test_a_run_without_models(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(WHOLE))
    with pytest.raises(DmsbenchError, match="holds no model"):
        entrant(tmp_path)


@pytest.mark.parametrize("name", ["gone/run:baseline", "gone/run", "run:baseline"])
def test_a_folder_that_is_not_there_is_not_taken_for_a_model(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "s" / "f"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(WHOLE | {"models": {"baseline": {"parts": []}}}))
    with pytest.raises(DmsbenchError, match="no run there; give FOLDER:MODEL"):
        pair(name, "baseline", tmp_path)
    with pytest.raises(DmsbenchError, match="no run there"):
        pair(str(tmp_path / "s"), "baseline", tmp_path)


def test_data_that_differ_in_content_alone_are_shown_apart(tmp_path: Path) -> None:
    identity = {"suite": "s", "task": "vqa", "score": "x", "seed": 0, "profile": "auto", "corruptions": {}}
    sides = []
    for fingerprint in ("aaaa", "bbbb"):
        data = {"name": "local", "split": "all", "fingerprint": fingerprint, "samples": "s"}
        folder = RunFolder(tmp_path / fingerprint)
        held = {"m": {"parts": []}}
        folder.write_manifest(WHOLE | {"identity": {**identity, "dataset": data}, "models": held})
        sides.append(entrant(folder.path))
    with pytest.raises(NotComparableError, match=r"data set \(local/all aaaa.* and local/all bbbb"):
        check_comparable(*sides)


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(DmsbenchError, match=r"cannot be written \(Not a directory\); use another --out"),
        RunFolder(tmp_path / "out" / "run").locked(),
    ):
        pass


def test_what_fails_inside_a_run_is_not_blamed_on_the_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(PermissionError), folder.locked():
        raise PermissionError(13, "Permission denied", "some/picture.png")
    with folder.locked():  # and the lock is free again
        pass


def test_a_name_too_long_for_a_folder_is_refused_before_anything_is_written(
    suite_file: Path, tmp_path: Path
) -> None:
    name = "n" * (LONGEST_NAME + 1)
    job = prepare(load_suite(str(suite_file)).changed(models=[f"{name}=baseline"]), tmp_path / "out")
    with pytest.raises(DmsbenchError, match="too long"):
        load_arms(job, device="cpu")
    assert not (tmp_path / "out").exists()
