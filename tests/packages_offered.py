"""Packages that offer something, as an installer leaves them: no index and no build is needed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLES = Path(__file__).parents[1] / "examples"


def install(
    folder: Path,
    package: str,
    groups: Mapping[str, str],
    code: str | None = None,
    version: str = "1.0",
) -> None:
    """A package whose entry points are ``groups``, the lines of each; ``code`` is its one module."""
    info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    entries = "\n".join(f"[{group}]\n{lines}\n" for group, lines in groups.items())
    (info / "entry_points.txt").write_text(entries)
    if code is not None:
        (folder / f"{package}.py").write_text(code)


def install_example(folder: Path, name: str, version: str | None = None) -> None:
    """One of the packages under examples/."""
    project = tomllib.loads((EXAMPLES / name / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {
        group: "\n".join(f"{key} = {value}" for key, value in entries.items())
        for group, entries in project["entry-points"].items()
    }
    install(folder, project["name"], groups, version=version or project["version"])
    module = name.replace("-", "_")
    shutil.copytree(EXAMPLES / name / module, folder / module, ignore=shutil.ignore_patterns("__pycache__"))


def with_path(folder: Path) -> str:
    """``PYTHONPATH`` of a process that finds the packages of a folder too."""
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))


def forget() -> None:
    """Looks for packages anew: what is offered is looked up once in a process."""
    import corruptions.plugins
    import dmsbench.plugins
    import dmsbench.tasks.catalogue
    import dmsbench.tasks.foreign_scores

    for kept in (
        corruptions.plugins.offered,
        corruptions.plugins.definition,
        dmsbench.plugins.offered,
        dmsbench.tasks.catalogue._loaded,
        dmsbench.tasks.foreign_scores.load,
    ):
        kept.cache_clear()
