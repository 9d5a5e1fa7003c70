"""Models that other packages bring: found by entry points, loaded when they are named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packages_offered import EXAMPLES, install_example, with_path

from dmsbench import plugins
from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.models.spec import parse
from dmsbench.runner.find import runs


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    plugins.offered.cache_clear()
    yield
    plugins.offered.cache_clear()


def install(folder: Path, package: str, entries: str, code: str | None = None) -> None:
    """A package as an installer leaves it."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[dmsbench.models]\n{entries}\n")
    if code is not None:
        (folder / f"{package}.py").write_text(code)


@pytest.mark.parametrize("name", ["dmsbench-colour", "dmsbench-extras"])
def test_the_examples_can_be_built(tmp_path: Path, name: str) -> None:
    words = ("install", "-q", "--no-deps", "--target", str(tmp_path), str(EXAMPLES / name))
    made = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
    if made.returncode and not os.environ.get("CI"):
        pytest.skip(f"the example could not be built: {made.stderr.strip()[-200:]}")
    assert made.returncode == 0, made.stderr
    assert list(tmp_path.glob("*.dist-info/entry_points.txt"))


def test_the_example_runs_once_it_is_installed(tmp_path: Path) -> None:
    install_example(tmp_path / "site", "dmsbench-colour")
    environment = {**os.environ, "PYTHONPATH": with_path(tmp_path / "site"), "COLUMNS": "200"}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dmsbench", *words],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )

    listed = json.loads(call("list", "models", "--json").stdout)
    assert {"name": "nearest-colour", "kind": "plug-in", "specification": "dmsbench-colour 1.0"} in listed
    ended = call(
        *("run", "--suite", "smoke", "--limit", "40", "--model", "nearest-colour"),
        *("--model", "timid=nearest-colour,otherwise=no"),
    )
    assert ended.returncode == 0, ended.stderr
    (run,) = runs(tmp_path / "results")
    entry = run.manifest()["models"]["nearest-colour"]
    assert entry["settings"]["plugin"] == {
        "package": "dmsbench-colour",
        "version": "1.0",
        "object": "dmsbench_colour:nearest_colour",
    }
    records = run.records("nearest-colour")
    assert set(records["status"]) <= {"ok", "left_out"}
    clean = records[(records["image_corruption"] == "clean") & (records["text_corruption"] == "clean")]
    asked = clean[clean["question"].str.contains("color")]
    assert asked["score"].mean() > 0.5  # it looks at the picture: eight colours to choose from
    for words, said in (
        (("run", "--suite", "smoke", "--model", "nearest-colour,other=1"), "unknown option 'other'"),
        (("run", "--suite", "smoke", "--model", "nearest-colour,other"), "not of the form name=value"),
        (("run", "--suite", "smoke", "--model", "nearest-color"), "did you mean 'nearest-colour'"),
        (("run", "--suite", "caption-corrupt", "--model", "nearest-colour"), "not captioning"),
        (("fit", "nearest-colour", "--suite", "vqa-corrupt", "--out", "x"), "is a plug-in's model"),
    ):
        failed = call(*words)
        assert failed.returncode == 2
        assert said in failed.stderr, failed.stderr
        assert "Traceback" not in failed.stderr


def test_nothing_is_imported_before_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "breaks", "broken = breaks:make", "raise RuntimeError('one\\ntwo')")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = plugins.offered(plugins.MODELS)["broken"]
    spec = parse("mine=broken,width=3")
    assert spec.plugin == found
    assert (spec.name, dict(spec.options)) == ("mine", {"width": "3"})
    assert "breaks" not in sys.modules
    with pytest.raises(
        DmsbenchError, match=r"plug-in 'broken' of breaks 1\.0 cannot be loaded \(RuntimeError: one two"
    ):
        found.load()


def test_what_is_there_already_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "takes", "baseline = takes:make\ntiny-llava-easy-vqa = takes:make")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("baseline", "tiny-llava-easy-vqa", "dms"):
        assert parse(name).plugin is None
    with pytest.raises(UnknownNameError):
        parse("nothing-of-the-kind")


def test_two_packages_with_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("one", "other"):
        install(tmp_path / package, package, f"same = {package}:make")
        monkeypatch.syspath_prepend(str(tmp_path / package))
    with pytest.raises(DmsbenchError, match=r"'same' is offered by .* and by .*: uninstall one"):
        parse("same")
