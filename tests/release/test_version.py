"""One version, wherever it is written."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date

import pytest
import yaml
from packages import ROOT
from packaging.version import Version

import dmsbench

HEADING = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", re.MULTILINE)


def changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def citation() -> dict[str, object]:
    loaded: dict[str, object] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return loaded


def test_the_version_is_semantic() -> None:
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", dmsbench.__version__)


def test_the_project_reads_it_from_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^dynamic = \["version"\]$', text, re.MULTILINE)
    assert '[tool.hatch.version]\npath = "dmsbench/__init__.py"' in text
    assert not re.search(r"^version\s*=", text, re.MULTILINE)


def test_the_command_says_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dmsbench", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"dmsbench {dmsbench.__version__}\n"


def test_the_newest_release_of_the_changelog_is_the_version_and_the_citation() -> None:
    version, day = HEADING.findall(changelog())[0]
    assert version == dmsbench.__version__ == citation()["version"]
    assert str(citation()["date-released"]) == day


def test_the_changelog_has_a_place_for_what_comes_and_falls_in_time() -> None:
    headings = re.findall(r"^## .*$", changelog(), re.MULTILINE)
    assert headings[0] == "## [Unreleased]"
    assert all(HEADING.fullmatch(heading) for heading in headings[1:])
    found = [(Version(version), date.fromisoformat(day)) for version, day in HEADING.findall(changelog())]
    assert found == sorted(found, reverse=True) and len({version for version, _ in found}) == len(found)


def test_sections_are_those_of_keep_a_changelog() -> None:
    kinds = re.findall(r"^### (.*)$", changelog(), re.MULTILINE)
    assert kinds and set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("key", ["cff-version", "message", "title", "authors", "license", "type"])
def test_the_citation_has_what_its_format_asks_for(key: str) -> None:
    assert citation()[key]


def test_the_citation_names_the_licence_of_the_project() -> None:
    assert citation()["license"] == "Apache-2.0"
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
