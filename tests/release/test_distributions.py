"""What is built holds what it should and nothing else."""

from __future__ import annotations

import fnmatch
import os
from importlib.util import find_spec
from pathlib import Path

import packages
import pytest
from packages import Built, in_sdist, in_wheel, tracked
from packaging.metadata import Metadata
from packaging.requirements import Requirement

import dmsbench

#: Any of these in a wheel is there by mistake, whoever tracks it.
STRAY = (
    "*.pyc",
    "*__pycache__*",
    "*.orig",
    "*.swp",
    "*.ipynb",
    "tests/*",
    "results/*",
    "benchmarks/*",
    "docs/*",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Built:
    if not tracked():
        pytest.skip("no git checkout: what should be packed is not known")
    if not os.environ.get("CI") and (find_spec("build") is None or find_spec("hatchling") is None):
        pytest.skip("build or hatchling is missing; .[dev] brings them")
    return packages.built(tmp_path_factory.mktemp("built"))


def info() -> str:
    return f"dmsbench-{dmsbench.__version__}.dist-info"


def test_the_wheel_holds_the_packages_the_suites_and_the_licences_and_nothing_else(made: Built) -> None:
    found = in_wheel(made.wheel)
    code = {name for name in tracked() if name.startswith(("dmsbench/", "corruptions/"))}
    suites = {f"dmsbench/{name}" for name in tracked() if name.startswith("suites/")}
    licences = {name for name in tracked() if name in ("LICENSE", "NOTICE") or name.startswith("licenses/")}
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", *(f"licenses/{name}" for name in licences)}
    assert set(found) == code | suites | {f"{info()}/{name}" for name in about}
    assert not [name for name in found for pattern in STRAY if fnmatch.fnmatch(name, pattern)]


def test_what_only_an_installation_would_miss_is_in_the_wheel(made: Built) -> None:
    found = in_wheel(made.wheel)
    for name in (
        "dmsbench/py.typed",
        "corruptions/py.typed",
        "corruptions/measured.json",
        "dmsbench/suites/smoke.yaml",
        "dmsbench/report/page/assets/page.html",
        "dmsbench/models/weights/tiny-llava-easy-vqa/model.safetensors",
        "dmsbench/models/weights/tiny-llava-scenes/scheduler/scheduler.safetensors",
        f"{info()}/licenses/NOTICE",
        f"{info()}/licenses/licenses/plotly.txt",
    ):
        assert name in found, name


def test_files_are_packed_as_they_are(made: Built) -> None:
    root = packages.ROOT
    for name, content in in_wheel(made.wheel).items():
        if not name.startswith(info()):
            source = name.removeprefix("dmsbench/") if name.startswith("dmsbench/suites/") else name
            assert content == (root / source).read_bytes(), name


def test_the_source_distribution_is_what_git_tracks(made: Built) -> None:
    assert set(in_sdist(made.sdist)) == tracked() | {"PKG-INFO"}


def test_the_source_distribution_builds_the_same_wheel(made: Built) -> None:
    if made.again is None:
        pytest.skip("given distributions: `python -m build` made the wheel from the source distribution")
    assert made.wheel.read_bytes() == made.again.read_bytes()


def test_the_metadata_are_valid_and_those_of_the_project(made: Built) -> None:
    raw = in_wheel(made.wheel)[f"{info()}/METADATA"]
    told = Metadata.from_email(raw, validate=True)
    assert told.name == "dmsbench"
    assert str(told.version) == dmsbench.__version__
    assert told.license_expression == "Apache-2.0"
    assert told.description_content_type == "text/markdown"
    assert told.description == (packages.ROOT / "README.md").read_text(encoding="utf-8")
    assert raw == in_sdist(made.sdist)["PKG-INFO"]
    entry = in_wheel(made.wheel)[f"{info()}/entry_points.txt"].decode()
    assert "dmsbench = dmsbench.cli.main:main" in entry


def test_no_requirement_is_a_file_or_an_address(made: Built) -> None:
    told = Metadata.from_email(in_wheel(made.wheel)[f"{info()}/METADATA"], validate=True)
    assert told.requires_dist
    for requirement in told.requires_dist:
        assert isinstance(requirement, Requirement) and requirement.url is None, requirement


def test_given_distributions_are_looked_at_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(packages.WHERE, str(tmp_path))
    (tmp_path / "a.whl").touch()
    (tmp_path / "a.tar.gz").touch()
    given = packages.built(tmp_path / "unused")
    assert (given.wheel.name, given.sdist.name, given.again) == ("a.whl", "a.tar.gz", None)
