"""The scripts behind hooks and sessions."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from packages import ROOT


def script(name: str) -> ModuleType:
    loader = SourceFileLoader(f"ci_{name}", str(ROOT / ".ci" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "text", "whole"),
    [
        ("a.py", "x = 1  \r\ny = 2\n\n\n", "x = 1\ny = 2\n"),
        ("a.py", "x = 1", "x = 1\n"),
        ("a.md", "a line break  \nhere", "a line break  \nhere\n"),
        ("py.typed", "", ""),
    ],
)
def test_ends_are_mended(name: str, text: str, whole: str) -> None:
    mended = script("whole_files").mended
    assert mended(text, name) == whole
    assert mended(whole, name) == whole


def test_what_was_mended_or_refused_fails_the_hook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = script("whole_files")
    texts = {
        "fine.py": b"x = 1\n",
        "blank.py": b"x = 1 \n",
        "conflict.py": b"<" * 7 + b" HEAD\n",
        "large.txt": b"x" * (hook.LARGEST + 1),
        "latin.txt": b"caf\xe9\n",
    }
    for name, content in texts.items():
        (tmp_path / name).write_bytes(content)
    assert hook.main([str(tmp_path / "fine.py")]) == 0
    assert hook.main([str(tmp_path / name) for name in texts]) == 1
    told = capsys.readouterr().out
    assert "fine.py" not in told and all(name in told for name in texts if name != "fine.py")
    assert (tmp_path / "blank.py").read_bytes() == b"x = 1\n"
    assert (tmp_path / "latin.txt").read_bytes() == b"caf\xe9\n"


def test_a_badge_says_what_was_measured() -> None:
    badge = script("coverage_summary").badge
    for percent in (0, 74, 75, 90, 100):
        root = ElementTree.fromstring(badge(percent))  # noqa: S314  (our own text)
        assert root.attrib["aria-label"] == f"coverage: {percent} %"
        assert f"{percent} %" in [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert badge(74) != badge(75).replace("75", "74")


def test_percentages_are_rounded_down_and_by_package() -> None:
    def file(covered: int, lines: int) -> dict[str, dict[str, int]]:
        return {"summary": {"covered_lines": covered, "num_statements": lines}}

    measured = {
        "files": {
            "dmsbench/cli/main.py": file(9, 10),
            "dmsbench/cli/run.py": file(10, 10),
            "dmsbench/gate.py": file(2, 3),
            "corruptions/text/case.py": file(5, 5),
        },
        "totals": {
            "percent_covered": 92.86,
            "num_statements": 28,
            "covered_lines": 26,
            "num_branches": 0,
            "covered_branches": 0,
        },
    }
    told = script("coverage_summary").summary(measured, "7.0")
    assert told["percent"] == 92
    assert told["packages"] == {"corruptions/text": 100, "dmsbench": 66, "dmsbench/cli": 95}
