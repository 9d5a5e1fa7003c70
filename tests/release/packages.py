"""The wheel and the source distribution, built or given, for the tests of what is in them.

``DMSBENCH_DIST`` names a folder with one wheel and one source distribution to be looked at instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WHERE = "DMSBENCH_DIST"


@dataclass(frozen=True)
class Built:
    """A wheel, a source distribution, and the wheel that was built from that where one was."""

    wheel: Path
    sdist: Path
    again: Path | None = None


def tracked() -> frozenset[str]:
    """The files that git knows and that are there; empty outside of a checkout."""
    found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = found.stdout.decode().split("\0") if found.returncode == 0 else []
    return frozenset(name for name in names if name and (ROOT / name).is_file())


def built(folder: Path) -> Built:
    """Builds both from tracked files alone, and a wheel from the source distribution; no network is used."""
    given = os.environ.get(WHERE)
    if given:
        return Built(_only(Path(given), "*.whl"), _only(Path(given), "*.tar.gz"))
    tree = folder / "tree"
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    _build(tree, folder / "first", "--wheel", "--sdist")
    sdist = _only(folder / "first", "*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    _build(next((folder / "unpacked").iterdir()), folder / "second", "--wheel")
    return Built(_only(folder / "first", "*.whl"), sdist, _only(folder / "second", "*.whl"))


def _build(tree: Path, out: Path, *kinds: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *kinds, str(tree)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def in_wheel(wheel: Path) -> dict[str, bytes]:
    """Name and content of every file; entries that stand twice are an error."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names)), "a file stands twice in the wheel"
        return {name: archive.read(name) for name in names}


def in_sdist(sdist: Path) -> dict[str, bytes]:
    """Name, without the folder that all is in, and content of every file."""
    found = {}
    with tarfile.open(sdist) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                found[member.name.partition("/")[2]] = content.read()
    return found
