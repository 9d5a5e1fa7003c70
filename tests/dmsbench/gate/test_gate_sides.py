"""What a gate is given, and what it finds by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gate_made_up import answers, make_run

from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.gate import Gated, gate_runs, sides
from dmsbench.gate.saved import save
from dmsbench.runner.find import entrant
from dmsbench.runner.store import RunFolder

TABLE = answers(samples=30)


def aged(folder: RunFolder, age: int) -> RunFolder:
    os.utime(folder.path / "manifest.json", (1_000_000 - age, 1_000_000 - age))
    return folder


def models(reference: str, candidate: str | None, out: Path) -> list[tuple[str, str]]:
    found = []
    for side in sides(reference, candidate, out):
        place = getattr(side, "path", None) or side.folder.path  # type: ignore[union-attr]
        found.append((side.model, place.name))
    return found


def test_a_reference_may_be_a_name_a_folder_a_folder_and_model_or_a_file(tmp_path: Path) -> None:
    out = tmp_path / "results"
    run = aged(make_run(out, {"old": TABLE, "new": TABLE}, name="1" * 12), 5)
    one = make_run(tmp_path / "other", {"old": TABLE}, name="2" * 12)
    file = save(entrant(one.path), tmp_path / "kept" / "old.parquet").reference.path
    new = ("new", "1" * 12)
    assert models("old", "new", out) == [("old", "1" * 12), new]
    assert models(str(one.path), "new", out) == [("old", "2" * 12), new]
    assert models(f"{run.path}:old", "new", out) == [("old", "1" * 12), new]
    assert models(str(file), "new", out) == [("old", "old.parquet"), new]
    assert models(str(file.parent), "new", out) == [("old", "old.parquet"), new]
    assert models(str(file), f"{run.path}:new", out) == [("old", "old.parquet"), new]
    assert models(str(file), str(file), out) == [("old", "old.parquet")] * 2
    assert models("new", str(file), out) == [new, ("old", "old.parquet")]
    save(entrant(one.path), file.parent / "again.parquet")
    with pytest.raises(DmsbenchError, match=r"several saved references \(again.parquet, old.parquet\)"):
        sides(str(file.parent), "new", out)


def test_the_candidate_is_the_only_other_model_of_the_reference_s_run(tmp_path: Path) -> None:
    make_run(tmp_path, {"old": TABLE, "new": TABLE})
    assert models("old", None, tmp_path)[1] == ("new", "0" * 12)
    make_run(tmp_path, {"old": TABLE, "new": TABLE, "third": TABLE})
    with pytest.raises(DmsbenchError, match="holds old, new, third: say which one is judged by --candidate"):
        sides("old", None, tmp_path)
    make_run(tmp_path, {"old": TABLE})
    with pytest.raises(DmsbenchError, match="holds the reference 'old' alone"):
        sides("old", None, tmp_path)


def test_the_candidate_is_the_only_model_of_the_newest_run_of_the_suite(tmp_path: Path) -> None:
    run = make_run(tmp_path / "was", {"mine": TABLE})
    file = str(save(entrant(run.path), tmp_path / "r.parquet").reference.path)
    out = tmp_path / "results"
    with pytest.raises(DmsbenchError, match="no run of suite 'made-up' to be judged here"):
        sides(file, None, out)
    aged(make_run(out, {"mine": TABLE}, name="1" * 12), 9)
    assert models(file, None, out)[1] == ("mine", "1" * 12)  # the same name, made anew
    aged(make_run(out, {"other": TABLE}, name="2" * 12), 5)
    aged(make_run(out, {"foreign": TABLE}, name="3" * 12, suite="else"), 1)
    aged(make_run(out, {"rescored": TABLE}, name="4" * 12, score="another|v1"), 0)
    assert models(file, None, out)[1] == ("other", "2" * 12)
    aged(make_run(out, {"mine": TABLE, "other": TABLE}, name="5" * 12), 3)
    with pytest.raises(DmsbenchError, match="holds mine, other: say which"):
        sides(file, None, out)


def test_a_candidate_s_name_is_looked_for_in_the_reference_s_suite(tmp_path: Path) -> None:
    run = make_run(tmp_path / "was", {"old": TABLE})
    out = tmp_path / "results"
    aged(make_run(out, {"new": TABLE}, name="1" * 12), 9)
    aged(make_run(out, {"new": TABLE}, name="2" * 12, suite="else"), 1)
    assert models(str(run.path), "new", out)[1] == ("new", "1" * 12)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    make_run(tmp_path, {"old": TABLE, "new": TABLE})
    with pytest.raises(UnknownNameError, match="did you mean 'new'"):
        sides("old", "nwe", tmp_path)
    with pytest.raises(DmsbenchError, match="cannot be read"):
        sides("nothing.parquet", "new", tmp_path)
    for odd in ("", "x" * 5000, "a\0b", "/", "none/there"):
        with pytest.raises(DmsbenchError):
            sides(odd, "new", tmp_path)


def test_the_api_gates_in_one_call(tmp_path: Path) -> None:
    make_run(tmp_path, {"old": TABLE, "new": TABLE})
    found = gate_runs("old", out=tmp_path, tolerance=0.0)
    assert isinstance(found, Gated)
    assert found.result.passed
    assert found.result.tolerance == 0.0
    assert (found.suite, found.candidate.model) == ("made-up", "new")
