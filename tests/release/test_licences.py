"""What comes from others is named, with the texts that have to travel."""

from __future__ import annotations

from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

import pytest
from packages import ROOT

NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
TEXTS = sorted((ROOT / "licenses").glob("*.txt"))


def words(text: str) -> str:
    """In one line, without the years and holders, which follow the release."""
    return " ".join(" ".join(line for line in text.splitlines() if "Copyright (c)" not in line).split())


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_the_notice_names_every_licence(text: Path) -> None:
    assert f"licenses/{text.name}" in NOTICE


def test_files_that_the_notice_names_are_there() -> None:
    for name in (
        "corruptions/image/entries.py",
        "dmsbench/tasks/vqa_v2.py",
        "dmsbench/models/weights",
        "tests/corruptions/photographs",
        "licenses/vqa.txt",
        "licenses/easy-vqa.txt",
        "licenses/plotly.txt",
    ):
        assert name in NOTICE and (ROOT / name).exists(), name


@pytest.mark.parametrize("package", ["easy-vqa", "plotly"])
def test_the_licences_are_the_installed_packages_own(package: str) -> None:
    found = [path for path in distribution(package).files or () if path.name.startswith("LICENSE")]
    assert found
    text = (ROOT / "licenses" / f"{package}.txt").read_text(encoding="utf-8")
    assert words(found[0].read_text()) in words(text)
    assert "Copyright (c)" in text


def test_report_pages_carry_the_licence_of_what_draws_their_charts() -> None:
    page = (files("dmsbench") / "report" / "page" / "assets" / "page.html").read_text(encoding="utf-8")
    licence = (ROOT / "licenses" / "plotly.txt").read_text(encoding="utf-8").partition("\n\n")[2]
    assert words(licence) in words(page)
    assert page.index("Permission is hereby granted") < page.index('id="plotly"')
