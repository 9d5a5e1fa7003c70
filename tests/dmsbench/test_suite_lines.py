"""What is wrong with a suite file is said with the line where it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dmsbench.errors import SuiteError
from dmsbench.suite import load_suite
from dmsbench.suite_yaml import read_yaml

HEAD = "name: s\ndataset: {name: easy_vqa}\n"


def complaint(tmp_path: Path, text: str) -> str:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(SuiteError) as caught:
        load_suite(str(path))
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "seed: 1\ngrid: {text: [keyboard]}\nseed: 2",
            "line 5: seed: this key is there already, in line 3; keep one",
        ),
        (
            "grid:\n  text: [ocr]\n  image: [fog]\n  text: [keyboard]",
            "line 6: grid.text: this key is there already, in line 4; keep one",
        ),
        ("grid:\n  imge: [fog]", "line 4: grid.imge: unknown key 'imge': did you mean 'image'?"),
        (
            "sead: 1\ngrid: {text: [keyboard]}",
            "line 3: sead: unknown key 'sead': did you mean 'seed'?",
        ),
        ("grid:\n  image:\n    - fog\n    - fogg", "line 6: grid: unknown corruption 'fogg'"),
        ("grid: {text: [keyboard]}\nseverities:\n  - 1\n  - 7", "line 6: severities.1: "),
        (
            "grid: {text: [keyboard]}\ninclude_false: [fog]",
            "line 4: include_false: 'fog' is not in the grid",
        ),
    ],
)
def test_the_line_is_named(tmp_path: Path, more: str, said: str) -> None:
    found = complaint(tmp_path, HEAD + more)
    assert found.startswith(said)
    assert "\n" not in found


def test_one_key_in_two_mappings_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("a: {name: 1}\nb: {name: 2}\n")
    data, lines = read_yaml(path)
    assert data == {"a": {"name": 1}, "b": {"name": 2}}
    assert lines.where(("b", "name")) == lines.where(("b", "name", "deeper")) == "line 2: "
    assert lines.where(("c",)) == ""


def test_aliases_and_depth_end(tmp_path: Path) -> None:
    bomb = ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))]
    path = tmp_path / "s.yaml"
    path.write_text("\n".join(bomb))
    data, _ = read_yaml(path)
    assert len(data) == 30
    path.write_text("a: &a [*a]")
    assert read_yaml(path)[1].where(("a",)) == "line 1: "
    path.write_text("[" * 5000 + "]" * 5000)
    with pytest.raises(SuiteError, match="nested too deeply"):
        read_yaml(path)
    path.write_text("<<: {a: 1}\nb: 2")
    assert read_yaml(path)[0] == {"a": 1, "b": 2}
    path.write_text("")
    assert read_yaml(path)[0] is None


def test_check_says_how_much_it_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dmsbench.cli.options import TableFormat
    from dmsbench.cli.suite_command import check

    path = tmp_path / "s.yaml"
    path.write_text(HEAD + "grid: {image: [fog, hue_shift], text: [keyboard]}\nseverities: [1, 5]\n")
    check(str(path))
    assert "rows: as many as there are samples, see --data-check" in capsys.readouterr().out
    check(str(path), data_check=True)
    out = capsys.readouterr().out
    assert "  rows: 9,673 samples × 7 conditions × 2 models = 135,422" in out
    assert "conditions by family: " in out and "text:character 2" in out
    assert "left out: hue_shift " in out
    check(str(path), format_=TableFormat.JSON)
    found = json.loads(capsys.readouterr().out)
    assert (found["samples"], found["rows"]) == (None, None)
    assert found["corruptions"][0]["left_out"] is None
    check(str(path), data_check=True, format_=TableFormat.JSON)
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 135_422
    lost = {one["name"]: one["left_out"] for one in found["corruptions"]}
    assert lost["fog"] == 0 and 0 < lost["hue_shift"] < 9673
    assert [path] == list(tmp_path.iterdir())
