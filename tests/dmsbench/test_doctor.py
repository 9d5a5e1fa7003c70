"""What the doctor finds where something is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import pytest

from dmsbench import doctor
from dmsbench.doctor import Finding, State
from dmsbench.models.spec import checkpoint_folder


def named(findings: Iterable[Finding], name: str) -> Finding:
    (found,) = (finding for finding in findings if finding.name == name)
    return found


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes packages look installed in these versions, or with None not at all; all of them import."""

    def install(**versions: str | None) -> None:
        real = metadata.version

        def version(name: str) -> str:
            key = name.replace("-", "_")
            if key not in versions:
                return real(name)
            found = versions[key]
            if found is None:
                raise metadata.PackageNotFoundError(name)
            return found

        monkeypatch.setattr(metadata, "version", version)

    return install


def test_this_environment_is_fine(tmp_path: Path) -> None:
    found = doctor.examine(tmp_path / "results", {})
    assert [one for one in found if one.fails] == []
    assert {"packages", "traps", "devices", "extras", "checkpoints", "data", "suites", "hub", "results"} == {
        one.group for one in found
    }
    assert named(found, "tiny-clip-scenes").state is State.OK
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_missing_old_or_broken(
    pretend: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(rich="1.0", pyyaml=None)
    monkeypatch.setattr(doctor, "importing", lambda module: "OSError: x" if module == "cv2" else None)
    wanted = ["rich>=13.7", "pyyaml>=6.0", "opencv-python-headless", "nlpaug>1; extra == 'reference'"]
    found = list(doctor.packages(wanted))
    assert named(found, "rich").found == "1.0, but >=13.7 is needed"
    assert named(found, "rich").mend == "pip install -U 'rich>=13.7'"
    assert (named(found, "pyyaml").found, named(found, "pyyaml").fails) == ("not installed", True)
    assert "cannot be imported (OSError: x)" in named(found, "opencv-python-headless").found
    assert "nlpaug" not in {one.name for one in found}


def test_known_traps(pretend: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(opencv_python="4.10", torchvision="0.1", imagecorruptions="1.1.2", setuptools="82.0.1")
    monkeypatch.setattr(doctor, "importing", lambda module: "RuntimeError: operator nms does not exist")
    found = list(doctor.traps())
    opencv = named(found, "opencv")
    assert opencv.state is State.BROKEN and not opencv.fails
    assert opencv.mend.startswith("pip uninstall -y opencv-python && ")
    vision = named(found, "torchvision")
    assert vision.fails and vision.mend == "pip uninstall -y torchvision"
    old = named(found, "imagecorruptions")
    assert old.state is State.BROKEN and not old.fails and "setuptools 82.0.1" in old.found
    pretend(opencv_python=None, torchvision=None, imagecorruptions="1.1.2", setuptools="81.0")
    found = list(doctor.traps())
    assert {one.state for one in found} == {State.OK}
    assert "imagecorruptions" not in {one.name for one in found}


def test_extras_that_are_missing_are_no_fault(pretend: Callable[..., None]) -> None:
    pretend(nlpaug=None)
    found = named(doctor.extras(), "nlpaug")
    assert (found.state, found.fails) == (State.MISSING, False)
    assert found.mend == "pip install 'dmsbench[reference]'"


def test_checkpoints_that_are_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    shutil.copytree(checkpoint_folder("tiny-clip-scenes"), folder)
    assert doctor.checkpoint_trouble(folder) is None
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    assert doctor.check_safetensors(weights) > 10
    for damaged, said in (
        (content[:-1], "its header says"),
        (content + b"x", "its header says"),
        (content[:40], "cut in its header"),
        (content[:4], "too short"),
        (b"<html>not found</html>", "cut in its header"),
    ):
        weights.write_bytes(damaged)
        assert said in (doctor.checkpoint_trouble(folder) or "")
    weights.unlink()
    assert (doctor.checkpoint_trouble(folder) or "").endswith("model.safetensors is missing")
    weights.write_bytes(content)
    (folder / "config.json").write_text("{")
    assert "config.json cannot be read" in (doctor.checkpoint_trouble(folder) or "")


def test_the_place_of_results(tmp_path: Path) -> None:
    assert [one.state for one in doctor.place(tmp_path / "a" / "b")] == [State.OK, State.OK]
    (tmp_path / "file").write_text("")
    (broken,) = doctor.place(tmp_path / "file")
    assert broken.fails and "cannot be written" in broken.found
    disk = named(doctor.place(tmp_path, least=2**70), "disk")
    assert disk.fails and "are needed" in disk.found


def test_offline_is_said() -> None:
    assert doctor.hub({"HF_HUB_OFFLINE": "1"}).found.startswith("offline (HF_HUB_OFFLINE)")
    assert not doctor.hub({"HF_HUB_OFFLINE": "0"}).found.startswith("offline")


@pytest.mark.parametrize(("state", "needed", "code"), [("broken", True, 2), ("missing", False, 0)])
def test_the_exit_code_is_of_what_is_needed(
    state: str,
    needed: bool,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import typer

    from dmsbench.cli.doctor_command import doctor as command
    from dmsbench.cli.options import TableFormat

    finding = Finding("packages", "[red]x", State(state), "gone", "pip install x", needed)
    monkeypatch.setattr(doctor, "examine", lambda out: [finding])
    with pytest.raises(typer.Exit) as stop:
        command(format_=None)
    assert stop.value.exit_code == code
    out = capsys.readouterr().out
    assert f"{state:7} [red]x: gone" in out and "mend: pip install x" in out
    with pytest.raises(typer.Exit):
        command(format_=TableFormat.JSON)
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is (code == 0)
    assert found["findings"][0]["state"] == state
