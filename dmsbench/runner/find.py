"""Finds runs and models in results folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dmsbench.corruption_settings import in_words
from dmsbench.errors import DmsbenchError, NotComparableError, UnknownNameError
from dmsbench.runner.store import MANIFEST, RunFolder


@dataclass(frozen=True, slots=True)
class Entrant:
    """A model of a run."""

    folder: RunFolder
    model: str
    manifest: dict[str, Any]

    @property
    def label(self) -> str:
        """How it is named in messages."""
        return f"{self.model} ({self.folder.path})"

    def records(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Its records, of some columns or all; raises NotComparableError where the run is not finished."""
        return self.folder.records(self.model, columns)


def runs(out: Path, suite: str | None = None) -> list[RunFolder]:
    """The runs of a results folder, newest first; ``suite`` keeps those of one suite."""
    found = sorted(_folders(out), key=lambda folder: (_age(folder), folder.path), reverse=True)
    return [folder for folder in found if suite is None or folder.manifest()["identity"]["suite"] == suite]


def newest(out: Path, wanted: Callable[[dict[str, Any]], bool] = lambda _manifest: True) -> RunFolder:
    """The newest run of a results folder with a manifest that is wanted; raises DmsbenchError without one."""
    for folder in runs(out):
        if wanted(folder.manifest()):
            return folder
    raise DmsbenchError(f"{out}: no runs here; start with: dmsbench run --suite vqa-corrupt")


def entrant(where: str | Path, model: str | None = None) -> Entrant:
    """A model of the run in a folder; ``FOLDER:MODEL`` names both.

    ``model`` is the one to take where the text names none; without either the run must hold one only.

    Raises DmsbenchError where there is no such run, UnknownNameError where it has no such model.
    """
    text = str(where)
    if not Path(text).is_dir() and ":" in text:
        text, _, model = text.rpartition(":")
    folder = RunFolder(Path(text))
    manifest = folder.manifest()
    names = list(manifest["models"])
    if model is None:
        if not names:
            raise DmsbenchError(f"{folder.path} holds no model; run the suite again to complete it")
        if len(names) > 1:
            raise DmsbenchError(
                f"{folder.path} holds {', '.join(names)}: say which, as {folder.path}:{names[0]}"
            )
        model = names[0]
    if model not in names:
        raise UnknownNameError(f"model in {folder.path}", model, names)
    return Entrant(folder, model, manifest)


def pair(a: str, b: str, out: Path, suite: str | None = None) -> tuple[Entrant, Entrant]:
    """Two models to compare, each a name or ``FOLDER:MODEL``.

    Two names are looked up in the newest run that holds both; where none does, in the newest run of
    each, which ``check_comparable`` then judges.

    Raises DmsbenchError where a name is nowhere.
    """
    found = runs(out, suite)
    names = [text for text in (a, b) if not _is_folder(text)]
    if len(names) == 2:
        for folder in found:
            if {a, b} <= set(folder.manifest()["models"]):
                return entrant(folder.path, a), entrant(folder.path, b)

    def newest(name: str) -> Entrant:
        if _is_folder(name):
            return entrant(name)
        if "/" in name or "\\" in name or ":" in name or Path(name).is_dir():
            raise DmsbenchError(f"'{name}': no run there; give FOLDER:MODEL with the folder of {MANIFEST}")
        for folder in found:
            if name in folder.manifest()["models"]:
                return entrant(folder.path, name)
        if not found:
            which = f" of suite '{suite}'" if suite else ""
            raise DmsbenchError(f"{out}: no runs{which} here; start with: dmsbench run --suite vqa-corrupt")
        raise UnknownNameError("model", name, {model for run in found for model in run.manifest()["models"]})

    return newest(a), newest(b)


def check_comparable(a: Entrant, b: Entrant) -> None:
    """Raises NotComparableError where suite, data, seed, score or conditions differ, naming which."""
    check_identities(a.manifest["identity"], b.manifest["identity"], (a.label, b.label))


def check_identities(left: Mapping[str, Any], right: Mapping[str, Any], names: tuple[str, str]) -> None:
    """As ``check_comparable``, of two manifests' identities; ``names`` are theirs in messages."""
    for key, word in (
        ("suite", "suite"),
        ("task", "task"),
        ("task_version", "version of the task"),
        ("dataset", "data set"),
        ("seed", "seed"),
        ("score", "score"),
        ("profile", "severity profile"),
    ):
        # Runs of older versions may not name one.
        if left.get(key) != right.get(key):
            shown = [_shown(side.get(key)) for side in (left, right)]
            raise NotComparableError(
                f"not comparable: {names[0]} and {names[1]} differ in {word} ({shown[0]} and {shown[1]})"
            )
    shared = set(left["corruptions"]) & set(right["corruptions"])
    for name in sorted(shared):
        if left["corruptions"][name] != right["corruptions"][name]:
            raise NotComparableError(
                f"not comparable: corruption '{name}' is version {left['corruptions'][name]} in {names[0]} "
                f"and {right['corruptions'][name]} in {names[1]}"
            )
        # Runs of suites without settings do not name them.
        made = [side.get("settings", {}).get(name, {}) for side in (left, right)]
        if made[0] != made[1]:
            raise NotComparableError(
                f"not comparable: settings of corruption '{name}' are {in_words(made[0])} in {names[0]} "
                f"and {in_words(made[1])} in {names[1]}"
            )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['name']}/{value['split']} {value['fingerprint'][:8]}, samples {value['samples'][:8]}"
    return str(value)


def _is_folder(text: str) -> bool:
    return (Path(text) / MANIFEST).is_file() or (
        ":" in text and (Path(text.rpartition(":")[0]) / MANIFEST).is_file()
    )


def _folders(out: Path) -> Iterator[RunFolder]:
    for path in sorted(out.glob(f"*/*/{MANIFEST}")) if out.is_dir() else []:
        yield RunFolder(path.parent)


def _age(folder: RunFolder) -> float:
    return (folder.path / MANIFEST).stat().st_mtime
